"""Keys, tokens and prompts are in no log line and in no table, whatever happens to a call."""

import io
import json
import sys
from typing import Any

import pytest
import structlog
from psycopg import sql

from farebox.base.addresses import is_public
from farebox.wiring.logs import log_to_stderr
from tests.gateway import Customer, until
from tests.leaks.fort import KEYS, METRICS_TOKEN, SECRETS_KEY, TOKEN, Fort
from tests.leaks.looking import every_call, look, make, text_body

PROMPT = "an unheard-of prompt of lapis lazuli"
ANSWER = "an unheard-of answer of malachite"


def _secrets(customer: Customer) -> list[str]:
    return [*KEYS.values(), TOKEN, METRICS_TOKEN, customer.key.secret, SECRETS_KEY.hex(), PROMPT, ANSWER]


async def test_no_log_line_has_a_key_a_prompt_or_an_answer(
    fort: Fort, customer: Customer, capfd: pytest.CaptureFixture[str]
) -> None:
    for faults in ({}, {"status": 401}, {"status": 400}, {"status": 500}, {"garbage": True}, {"error_mid_stream": 1}):
        for call in every_call():
            if not call.headers:
                said: dict[str, Any] = {key: PROMPT for key in ("input", "prompt") if key in call.body}
                if "messages" in call.body:
                    said = {"messages": [{"role": "user", "content": PROMPT}]}
                echo = " ".join(_secrets(customer))
                await fort.fault(call.model, error_message=echo, **({"text": ANSWER} | faults))
                await make(customer, call, **said)
    for body in (b'{"model":"' + PROMPT.encode(), json.dumps({"model": PROMPT, "messages": [PROMPT]}).encode()):
        for path in ("/v1/chat/completions", "/api/estimate", "/v1/videos"):
            await look(customer, "POST", path, body=body)
    for value in (f"Bearer {TOKEN}x", f"Bearer {customer.key.secret}x", f"Basic {TOKEN}"):
        await look(customer, "GET", "/api/operator/routes", headers={"authorization": value})
        await look(customer, "GET", "/v1/models", headers={"authorization": value})
    await fort.gateway.idle()
    out, err = capfd.readouterr()
    assert "attempt failed" in out  # or nothing was looked at
    for secret in _secrets(customer):
        assert secret not in out + err


async def test_no_table_has_a_key_a_prompt_or_an_answer(fort: Fort, customer: Customer) -> None:
    for model, faults in (("openai_chat", {"text": ANSWER}), ("gemini", {"status": 400, "error_message": PROMPT})):
        await fort.fault(model, **faults)
        body = text_body("/v1/chat/completions", model) | {"messages": [{"role": "user", "content": PROMPT}]}
        await look(customer, "POST", "/v1/chat/completions", body=body)
    await fort.gateway.idle()
    rows = 0
    async with fort.gateway.connect() as connection:
        cursor = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in await cursor.fetchall()]
        assert "provider_credential" in tables
        for table in tables:
            # Bytes are shown in hexadecimal.
            query = sql.SQL("SELECT row_to_json(t)::text FROM {} AS t").format(sql.Identifier(table))
            for (row,) in await (await connection.execute(query)).fetchall():
                rows += 1
                for secret in _secrets(customer):
                    assert secret not in row and secret.encode().hex() not in row, table
    assert rows > 50


async def test_a_row_that_was_changed_by_hand_is_used_by_nobody(fort: Fort) -> None:
    """Who may write to the database cannot make a provider's key be sent to another provider."""
    query = "SELECT credential_id, sealed FROM provider_credential WHERE provider_id IN ('gemini', 'second')"
    rows = await fort.gateway.rows(f"{query} ORDER BY provider_id, name")
    (first, sealed_first), (last, sealed_last) = rows[0], rows[-1]
    known = _keys(fort)
    assert {first, last} <= known
    try:
        for changed in ((sealed_last, sealed_first), (sealed_first[:-1], bytes(36))):
            await _put(fort, {first: changed[0], last: changed[1]})
            await until(lambda: _keys(fort) == known - {first, last})
    finally:
        await _put(fort, {first: sealed_first, last: sealed_last})
    await until(lambda: _keys(fort) == known)


def _keys(fort: Fort) -> set[str]:
    parts = fort.gateway.parts
    pools = [pool for provider in parts.catalog().providers.values() for pool in parts.accounts.pools(provider)]
    return {each.credential_id for pool in pools for each in pool.credentials}


async def _put(fort: Fort, sealed: dict[str, bytes]) -> None:
    async with fort.gateway.connect() as connection:
        for credential_id, content in sealed.items():
            await connection.execute(
                "UPDATE provider_credential SET sealed = %s WHERE credential_id = %s", [content, credential_id]
            )


def test_a_failure_is_logged_without_the_variables_of_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    before = structlog.get_config()
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    try:
        log_to_stderr()
        try:
            _fail(TOKEN)
        except RuntimeError as error:
            structlog.get_logger(__name__).error("request failed", exc_info=error)
    finally:
        structlog.configure(**before)
    assert "RuntimeError: it failed" in written.getvalue() and "in _fail" in written.getvalue()
    assert TOKEN not in written.getvalue()


def _fail(token: str) -> None:
    holder = {"operator_token": token}
    assert holder
    raise RuntimeError("it failed")


@pytest.mark.parametrize("address", ["192.0.0.192", "192.0.0.8", "3fff::1", "::ffff:192.0.0.192"])
def test_addresses_that_some_versions_of_python_take_for_public_are_not(address: str) -> None:
    assert not is_public(address)
