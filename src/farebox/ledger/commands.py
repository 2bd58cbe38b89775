"""Commands: everything that can be asked of the ledger. Frozen values; `decide` answers them.

Each carries an id that is good for ever: the same id with the same body gets the same answer, the same id with another
body is a conflict. `now_micros` is the caller's clock and is not part of the body, nor is anything named `memo`:
a retry after a lost answer may carry another moment.
"""

from hashlib import blake2b
from uuid import UUID

import msgspec

from farebox.ledger.lifecycle import Step


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a provider may bill for an attempt that failed: `cost_account` debited, `payable_account` credited."""

    cost_account: str
    payable_account: str
    cost_nanos: int


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What all commands carry."""

    workspace_id: int
    command_id: UUID
    now_micros: int


class OpenBook(Command, frozen=True, kw_only=True, gc=False):
    """Make a workspace's cash account."""


class Credit(Command, frozen=True, kw_only=True, gc=False):
    """Move cash between the customer and `source_account`; a negative amount takes back what is available."""

    amount_nanos: int
    source_account: str
    reason: str
    actor: str


class GrantPromotion(Command, frozen=True, kw_only=True, gc=False):
    """Give promotional credit: spent before cash, by priority, then expiry, then age. Never refundable.

    `last_account_id` is the highest number that was ever given; the store reads it under the lock.
    """

    amount_nanos: int
    priority: int
    expires_at_micros: int | None
    reason: str
    actor: str
    last_account_id: int = 0


class ExpirePromotion(Command, frozen=True, kw_only=True, gc=False):
    """Take back what an expired grant has left beyond its open holds."""

    account_id: int


class SetLimit(Command, frozen=True, kw_only=True, gc=False):
    """Set, change or (with both maxima None) lift a limit. `key_id` 0 is the workspace itself; span: `Span`.

    `used_*` is what was used in the running window before the limit existed; the store counts it under the lock.
    """

    key_id: int
    span: int
    max_requests: int | None
    max_nanos: int | None
    used_requests: int = 0
    used_nanos: int = 0


class Reserve(Command, frozen=True, kw_only=True, gc=False):
    """Take an amount out of *available* and one request out of every limit, all or nothing.

    `dispatched`: the first upstream byte follows the answer at once. `claim_*`: the client's Idempotency-Key.
    """

    hold_id: UUID
    key_id: int
    owner_id: int
    amount_nanos: int
    dispatched: bool
    memo: str
    claim_id: UUID | None = None
    claim_body_hash: UUID | None = None


class HoldCommand(Command, frozen=True, kw_only=True, gc=False):
    """What all commands about an existing hold carry."""

    hold_id: UUID


class Dispatch(HoldCommand, frozen=True, kw_only=True, gc=False):
    """The first byte of attempt number `attempt` goes upstream next."""

    attempt: int


class Settle(HoldCommand, frozen=True, kw_only=True, gc=False):
    """Charge what was used and give the rest back. Late when the hold was UNKNOWN.

    `cost_nanos` is what the provider will bill: debited to `cost_account`, credited to `payable_account`;
    `failed_costs` is what earlier attempts may cost besides.
    """

    charge_nanos: int
    revenue_account: str
    cost_nanos: int
    cost_account: str
    payable_account: str
    count_request: bool
    failed_costs: tuple[Cost, ...] = ()


class Release(HoldCommand, frozen=True, kw_only=True, gc=False):
    """Give all of it back. A cost that the provider may bill all the same stays with the operator."""

    count_request: bool
    cost_nanos: int = 0
    cost_account: str = ""
    payable_account: str = ""
    failed_costs: tuple[Cost, ...] = ()


class Lose(HoldCommand, frozen=True, kw_only=True, gc=False):
    """The owner of a dispatched hold is gone: what happened upstream is not known."""


class WriteOff(HoldCommand, frozen=True, kw_only=True, gc=False):
    """The deadline of an UNKNOWN hold: the customer pays nothing, the operator carries `cost_nanos`."""

    cost_nanos: int
    cost_account: str
    payable_account: str


STEP_OF: dict[type[HoldCommand], Step] = {
    Dispatch: Step.DISPATCH,
    Settle: Step.SETTLE,
    Release: Step.RELEASE,
    Lose: Step.LOSE,
    WriteOff: Step.WRITE_OFF,
}

_encoder = msgspec.msgpack.Encoder()
_NOT_BODY = frozenset({"now_micros", "memo", "used_requests", "used_nanos", "last_account_id", "owner_id"})
_BODY_FIELDS: dict[type[Command], tuple[str, ...]] = {}


def body_hash(command: Command) -> UUID:
    """128 bits over everything the command says, its kind included, but for the moment and the memo."""
    kind = type(command)
    fields = _BODY_FIELDS.get(kind)
    if fields is None:
        fields = _BODY_FIELDS[kind] = tuple(name for name in kind.__struct_fields__ if name not in _NOT_BODY)
    body = _encoder.encode((kind.__name__, [getattr(command, name) for name in fields]))
    return UUID(bytes=blake2b(body, digest_size=16).digest())
