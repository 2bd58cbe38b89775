"""A gateway with much to hide: pools, private pools, lanes and keys whose names and numbers occur nowhere else.

Every dialect and workload has a model, with a route to a provider of its own and a second one. All are the sandbox.
"""

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from farebox.base.limits import Bounds, Routing, VideoJobs
from farebox.providers.pool_store import PoolKey, PoolTerms, create_pool, find_pool, set_lane
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, add_credential
from farebox_sandbox.process import serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway, until
from tests.terms import TERMS

# Nobody's: made up for the tests. Whatever must not be seen has the marker in it.
SECRETS_KEY: Final = bytes(range(32))
TOKEN: Final = "zebra-operator-" + "o" * 32
METRICS_TOKEN: Final = "zebra-metrics-" + "m" * 32
MARKER: Final = "zebra"
KEYS: Final = {f"account-{number}": f"sk-zebra-key-{number:02}-0c1d2e3f4a5b" for number in range(4)}

# Numbers of pools, lanes and keys that stand nowhere else.
SLOTS: Final = (7_351, 7_353, 7_457, 7_459, 977)

# What no customer is shown, wherever it might stand: the marker, ids of keys and lanes, and those numbers.
HIDDEN: Final = re.compile(
    rf"{MARKER}|\bcred_[0-9a-z]{{4}}|\blane_[0-9a-z]{{4}}|\b(?:env|sandbox):|\bpools?\b|\blanes?\b"
    rf"|(?<![0-9a-z.])(?:{'|'.join(map(str, SLOTS))})(?![0-9a-z.])",
    re.IGNORECASE,
)

TEXTS: Final = {
    "/v1/chat/completions": "openai_chat",
    "/v1/responses": "openai_responses",
    "/v1/messages": "anthropic_messages",
}
DIALECTS: Final = (*TEXTS.values(), "gemini")
_TEXT = "context_tokens = 200_000\nmax_output_tokens = 1_000\n"
_PER_TOKEN = 'input = "1", output = "5"'
_MODELS: Final = {
    **{dialect: (_TEXT, _PER_TOKEN, dialect) for dialect in DIALECTS},
    "embed": ('workload = "embedding"\ncontext_tokens = 8_192\n', 'input = "1"', "openai_chat"),
    "moderate": (
        'workload = "moderation"\ncontext_tokens = 8_192\n',
        'input = "0", per_request = "0.0005"',
        "openai_chat",
    ),
    "draw": (
        'workload = "image"\nmax_images = 4\nmedia_ceiling_tokens = { image = 10 }\n',
        'per_image = "0.04"',
        "openai_chat",
    ),
    "speak": ('workload = "audio"\nmax_characters = 2_000\n', 'per_million_characters = "15"', "openai_chat"),
    "hear": ('workload = "audio"\nmax_audio_seconds = 7_200\n', 'per_second_audio = "0.0001"', "openai_chat"),
    "film": ('workload = "video"\nmax_video_seconds = 60\n', 'per_second_video = "0.1"', "openai_chat"),
    "narrow": (_TEXT, _PER_TOKEN, "narrow"),
    "hasty": (_TEXT, _PER_TOKEN, "hasty"),
}
HASTY = "first_byte_timeout_seconds = 0.3\nidle_timeout_seconds = 0.3\ntotal_timeout_seconds = 1.0\n"


def catalog_text(base_url: str) -> str:
    """catalog.toml. A model has the routes `PROVIDER/MODEL` and `second/MODEL`, but for `narrow` and `hasty`, which
    have one; the upstream models are `MODEL-up` and `MODEL-second`. Nobody stored a key for `bare`."""
    text = [TERMS]
    for name in (*DIALECTS, "second", "narrow", "hasty", "bare"):
        dialects = f'dialects = ["{name}"]\n' if name in DIALECTS else ""
        text.append(
            f'[providers.{name}]\ndisplay_name = "{name}"\nbase_url = "{base_url}"\n{dialects}'
            f'api_key_env = "FAREBOX_TEST_NO_SUCH_KEY"\n{HASTY if name == "hasty" else ""}'
        )
    for model, (does, price, provider) in _MODELS.items():
        text.append(f'[models.{model}]\ndisplay_name = "{model}"\n{does}')
        text.append(_route(model, provider, price, priority=1, upstream=f"{model}-up"))
        if provider != model or provider in DIALECTS:
            text.append(_route(model, "second", price, priority=2, upstream=f"{model}-second"))
    text.append(f'[models.bare]\ndisplay_name = "bare"\n{_TEXT}')
    text.append(_route("bare", "bare", _PER_TOKEN, priority=1, upstream="bare-up"))
    return "\n".join(text)


def _route(model: str, provider: str, price: str, *, priority: int, upstream: str) -> str:
    return (
        f'[routes."{provider}/{model}"]\nprovider = "{provider}"\nmodel = "{model}"\nupstream_model = "{upstream}"\n'
        f"priority = {priority}\ncost = {{ {price} }}\nprice = {{ {price} }}\n"
    )


class Fort:
    """The gateway; `favoured` has a lane and a private pool, `customer` has neither and looks around."""

    def __init__(self, gateway: RunningGateway, favoured: Customer) -> None:
        self.gateway = gateway
        self.favoured = favoured

    async def fault(self, model: str, **faults: Any) -> None:
        """Let both routes of a model misbehave."""
        for upstream in (f"{model}-up", f"{model}-second"):
            await self.gateway.set_faults(upstream, faults)

    async def accept(self, **keys: str) -> None:
        """From now on these are the keys that providers know, by their accounts."""
        async with self.gateway.session.put(f"{self.gateway.sandbox.url}/sandbox/accounts", json=keys) as response:
            assert response.status == 200, await response.text()

    async def forget(self) -> None:
        """As after a start: no faults, no rests."""
        await self.gateway.idle()
        for worker in self.gateway.workers:
            for provider in worker.parts.catalog().providers.values():
                for pool in worker.parts.accounts.pools(provider):
                    for credential in pool.credentials:
                        worker.parts.accounts.woke(credential.credential_id)
        for what in ("calls", "faults"):
            async with self.gateway.session.delete(f"{self.gateway.sandbox.url}/sandbox/{what}") as response:
                assert response.status == 200


@asynccontextmanager
async def open_fort(cluster: TestCluster) -> AsyncIterator[Fort]:
    """One worker. Every provider but `bare` has two keys in its pool `default`, a shared pool, and a private one."""
    async with serve_sandbox() as sandbox:
        secrets_key = base64.b64encode(SECRETS_KEY).decode()
        async with serve_gateway(
            cluster,
            catalog=catalog_text(sandbox.base_url),
            sandbox=sandbox,
            secrets_key=secrets_key,
            operator_token=TOKEN,
            metrics_token=METRICS_TOKEN,
            routing=Routing(queue_seconds=0.3),
            videos=VideoJobs(poll_seconds=0.2),
            bounds=Bounds(max_body_bytes=200_000),
        ) as gateway:
            favoured = await gateway.new_customer()
            fort = Fort(gateway, favoured)
            await fort.accept(**KEYS)
            for provider_id in (*DIALECTS, "second", "hasty"):
                await _fill(gateway, provider_id, favoured.workspace_id)
            await _fill_narrow(gateway, favoured.workspace_id)
            await until(lambda: _credentials(gateway) == 4 * (len(DIALECTS) + 2) + 1)
            yield fort


def _credentials(gateway: RunningGateway) -> int:
    parts = gateway.parts
    providers = parts.catalog().providers.values()
    pools = [pool for provider in providers for pool in parts.accounts.pools(provider)]
    return sum(each.origin == "stored" for pool in pools for each in pool.credentials)


async def _fill(gateway: RunningGateway, provider_id: str, favoured: int) -> None:
    """`favoured` is a workspace's id."""
    now, safe = gateway.clock(), Safe(SECRETS_KEY)
    shared, private = (
        PoolKey(provider_id, f"zebra-shared-{provider_id}"),
        PoolKey(provider_id, f"zebra-own-{provider_id}"),
    )
    async with gateway.connect() as connection, connection.transaction():
        default = await find_pool(connection, f"{provider_id}/default", now_micros=now)
        terms = PoolTerms(max_concurrent=SLOTS[0])
        await create_pool(connection, shared, terms, now_micros=now)
        own = PoolTerms(access="private", workspaces=frozenset({favoured}), max_concurrent=SLOTS[2])
        await create_pool(connection, private, own, now_micros=now)
        await set_lane(connection, shared, favoured, SLOTS[4], lends=True)
        for number, pool in enumerate((default, default, shared, private)):
            wanted = NewCredential(
                provider_id=provider_id,
                name=f"zebra credential {number}",
                pool_id=pool.pool_id,
                weight=SLOTS[4],
                max_concurrent=SLOTS[1],
                requests_per_minute=SLOTS[3],
            )
            await add_credential(connection, safe, wanted, KEYS[f"account-{number}"], now_micros=now)


async def _fill_narrow(gateway: RunningGateway, favoured: int) -> None:
    """One slot, which is reserved and not lent."""
    now, key = gateway.clock(), PoolKey("narrow", "zebra-narrow")
    async with gateway.connect() as connection, connection.transaction():
        await create_pool(connection, key, PoolTerms(max_concurrent=1), now_micros=now)
        await set_lane(connection, key, favoured, 1, lends=False)
        wanted = NewCredential(provider_id="narrow", name="zebra only", pool_id=key.pool_id, max_concurrent=1)
        await add_credential(connection, Safe(SECRETS_KEY), wanted, KEYS["account-0"], now_micros=now)
