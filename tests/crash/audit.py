"""What must be true of the rows after every kill, and what must be true once all is quiet.

The books are compared with what customers were told, and each part of them with another part by SQL of this file: the
sums here are not those of `ledger verify`, which runs as well.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from farebox.base.ids import read_call, read_short
from farebox.ledger.verify import verify
from tests.crash.client import Told
from tests.crash.gateway import Connection, GatewayProcess
from tests.crash.load import CREDIT_NANOS, Customer

# The owner's grace, the write-off deadline of the test's configuration, some sweeps, and a slow machine.
QUIET_SECONDS: Final = 40.0

_TOLD: Final = """
SELECT c.call_id, c.workspace_id, c.status, c.charge_nanos, h.state, h.charge_nanos,
       (SELECT coalesce(sum(e.amount_nanos), 0)::bigint FROM ledger_entry e
         WHERE e.workspace_id = c.workspace_id AND e.hold_id = c.call_id AND e.debit_account = 'customer_cash')
  FROM call c JOIN ledger_hold h ON h.workspace_id = c.workspace_id AND h.hold_id = c.call_id
 WHERE c.call_id = ANY (%s)
"""
_BALANCES: Final = """
SELECT a.workspace_id, a.posted_nanos,
       (SELECT coalesce(sum(charge_nanos), 0)::bigint FROM call c WHERE c.workspace_id = a.workspace_id)
  FROM ledger_account a WHERE a.account_id = 0
"""
# Each limit's windows of all days together: requests and dollars used and held, beside the receipts and open holds.
_COUNTED: Final = """
SELECT w.workspace_id, w.key_id, w.span,
       sum(w.used_requests)::bigint, sum(w.used_nanos)::bigint, sum(w.held_requests)::bigint, sum(w.held_nanos)::bigint,
       (SELECT count(*) FROM call c WHERE c.workspace_id = w.workspace_id AND c.request_counted),
       (SELECT coalesce(sum(charge_nanos), 0)::bigint FROM call c WHERE c.workspace_id = w.workspace_id),
       (SELECT count(*) FROM ledger_hold h WHERE h.workspace_id = w.workspace_id AND h.state IN (1, 2, 5)),
       (SELECT coalesce(sum(amount_nanos), 0)::bigint FROM ledger_hold h
         WHERE h.workspace_id = w.workspace_id AND h.state IN (1, 2, 5))
  FROM ledger_window w GROUP BY 1, 2, 3
"""
# A hold that ended has a receipt, one that is open has none.
_UNRECEIPTED: Final = """
SELECT hold_id, h.state, c.status FROM ledger_hold h FULL JOIN call c
    ON c.workspace_id = h.workspace_id AND c.call_id = h.hold_id
 WHERE h.hold_id IS NULL OR (h.state IN (1, 2, 5)) <> (c.call_id IS NULL)
    OR c.status <> CASE h.state WHEN 3 THEN 'settled' WHEN 4 THEN 'released' WHEN 6 THEN 'settled_late'
                                WHEN 7 THEN 'written_off' END
"""
# Whoever sweeps finds orphans by their owner's row; without one a hold would stay for ever.
_UNOWNED: Final = """
SELECT hold_id, owner_id FROM ledger_hold h
 WHERE state IN (1, 2, 5) AND NOT EXISTS (SELECT 1 FROM ledger_owner o WHERE o.owner_id = h.owner_id)
"""
_OPEN: Final = "SELECT count(*) FROM ledger_hold WHERE state IN (1, 2, 5)"
_ENDINGS: Final = "SELECT status, rule, count(*) FROM call GROUP BY 1, 2 ORDER BY 1, 2"
_PAID: Final = "SELECT count(*) FROM call WHERE workspace_id = %s AND charge_nanos > 0"
_HOLDS: Final = "SELECT count(*) FROM ledger_hold"


class Endings(NamedTuple):
    """How calls ended, by status and rule, and how many holds there ever were."""

    by_rule: dict[str, int]
    holds: int

    def with_status(self, status: str) -> int:
        """How many calls have that status."""
        return sum(count for rule, count in self.by_rule.items() if rule.startswith(f"{status}/"))


async def audit(connection: Connection, acknowledged: Sequence[Told], customers: Sequence[Customer]) -> None:
    """Fails unless the books are sound and everything that was acknowledged stands in them, once. Under load or not."""
    report = await verify(connection)
    assert report.sound, report.breaches
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await _audit_told(connection, acknowledged, customers)
        for workspace_id, posted_nanos, charged_nanos in await _rows(connection, _BALANCES):
            assert posted_nanos == CREDIT_NANOS - charged_nanos, (workspace_id, posted_nanos, charged_nanos)
        for row in await _rows(connection, _COUNTED):
            assert row[3:7] == row[7:], f"limit {row[:3]} counted {row[3:7]}, but the calls were {row[7:]}"
        assert not (found := await _rows(connection, _UNRECEIPTED)), found[:10]
        assert not (found := await _rows(connection, _UNOWNED)), found[:10]


async def _audit_told(connection: Connection, acknowledged: Sequence[Told], customers: Sequence[Customer]) -> None:
    told_of = {read_call(str(told.call_id)): told for told in acknowledged}
    assert len(told_of) == len(acknowledged), "two answers bear the same call id"
    found = {row[0]: row[1:] for row in await _rows(connection, _TOLD, list(told_of))}
    for call_id, told in told_of.items():
        assert call_id in found, f"an acknowledged charge is lost: {told}"
        workspace_id, status, charge_nanos, state, hold_charge_nanos, entered_nanos = found[call_id]
        assert workspace_id == read_short("ws", customers[told.customer].workspace)
        assert (status, state) in (("settled", 3), ("settled_late", 6)), f"{told} is {status}"
        charges = {charge_nanos, hold_charge_nanos, entered_nanos, told.charge_nanos}
        assert len(charges) == 1, f"{told}: receipt, hold and entries say {charges}"


async def quiet(gateway: GatewayProcess, connection: Connection) -> None:
    """Wait until every hold has ended and no evidence waits on disk: after the load, that is a promise."""
    async with gateway.patience("every hold to end", QUIET_SECONDS):
        while await _number(connection, _OPEN) or any(gateway.home.spool.glob("*.json")):
            await asyncio.sleep(0.1)


async def endings(connection: Connection) -> Endings:
    """How all calls ended."""
    by_rule = {f"{status}/{rule}": count for status, rule, count in await _rows(connection, _ENDINGS)}
    return Endings(by_rule, await _number(connection, _HOLDS))


async def paid_calls(connection: Connection, customer: Customer) -> int:
    """How many calls of a customer were charged."""
    return await _number(connection, _PAID, read_short("ws", customer.workspace))


async def _rows(connection: Connection, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query.encode(), parameters or None)).fetchall()


async def _number(connection: Connection, query: str, *parameters: Any) -> int:
    return int((await _rows(connection, query, *parameters))[0][0])
