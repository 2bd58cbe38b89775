"""What this process knows of each provider's accounts: their keys, the pools that these are in, and which of them rest.

A key of the environment is in the pool `default` without anybody's doing; stored ones are beside it. In a demo,
providers without any key of their own are played by the sandbox. Everything that calls ask for is worked out once and
kept until a provider or the stored pools change.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.catalog.model import AuthHeader, Provider, auth_of
from farebox.catalog.terms import Region
from farebox.providers.pools import DEFAULT_POOL, Credential, Origin, Pool

# After an upstream 401, 402 or 403 the key is not tried again for so long: somebody has to mend the account first.
REST_SECONDS: Final = 60
# No provider's Retry-After keeps a key away for longer than this: one too early is refused once more, no harm done.
MAX_REST_SECONDS: Final = 3_600


class AccountState(StrEnum):
    """Whether a provider can be called."""

    READY = "ready"
    NOT_CONFIGURED = "not_configured"  # no key for that workspace and region
    RESTING = "resting"  # the provider refused all of its keys a moment ago


class Endpoint(NamedTuple):
    """Where calls to a provider go, and with which key (None for a local provider without one)."""

    base_url: str
    api_key: str | None
    auth: AuthHeader = "bearer"

    @property
    def credential(self) -> tuple[str, str]:
        """The header that carries the key. Only where there is one."""
        assert self.api_key is not None, "a provider without a key gets no header for it"
        return ("authorization", f"Bearer {self.api_key}") if self.auth == "bearer" else (self.auth, self.api_key)

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"


class Sandbox(NamedTuple):
    """The stand-in of a demo."""

    base_url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Sandbox({self.base_url!r})"


class _Known(NamedTuple):
    """What is worked out of one provider. `open_to_all`: a shared pool of any region has a key."""

    provider: Provider
    pools: tuple[Pool, ...]
    credentials: dict[str, Credential]
    endpoints: dict[str, Endpoint]
    open_to_all: bool


class Accounts:
    """The state of all provider accounts in this process."""

    def __init__(
        self,
        clock: Clock,
        *,
        environment: Mapping[str, str] | None = None,
        sandbox: Sandbox | None = None,
        own_key_prefix: str = "",
    ) -> None:
        """`own_key_prefix`: how this gateway's own keys begin. Who tried it out may have one in `OPENAI_API_KEY`; no
        provider knows it, so it counts as none."""
        self._clock = clock
        self._own_key_prefix = own_key_prefix
        # A copy: the environment does not change, and reading the real one encodes each name anew.
        self._environment = dict(os.environ if environment is None else environment)
        self._sandbox = sandbox
        self._rests_until_micros: dict[str, int] = {}
        self._stored: dict[str, tuple[Pool, ...]] = {}
        self._known: dict[str, _Known] = {}

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    def pools(self, provider: Provider) -> tuple[Pool, ...]:
        """Every pool that has a key, `default` first. The same object until something changed."""
        return self._of(provider).pools

    def find(self, provider: Provider, credential_id: str) -> Credential | None:
        """The credential of that id: for what has to go to the same account again. None: it is gone."""
        return self._of(provider).credentials.get(credential_id)

    def plays_sandbox(self, provider: Provider) -> bool:
        """Whether the sandbox answers for this provider."""
        return any(credential.origin == "sandbox" for credential in self._of(provider).credentials.values())

    def replace_stored(self, pools: Sequence[Pool]) -> None:
        """Take what is stored now instead of what was. A key that was changed does not rest any more."""
        before = _by_id(self._stored)
        found: dict[str, tuple[Pool, ...]] = {}
        for pool in pools:
            found[pool.provider_id] = (*found.get(pool.provider_id, ()), pool)
        self._stored = found
        self._known.clear()
        now = self._clock()
        for credential_id, credential in _by_id(found).items():
            former = before.get(credential_id)
            if former is not None and former.api_key != credential.api_key:
                self.woke(credential_id)
        self._rests_until_micros = {key: until for key, until in self._rests_until_micros.items() if until > now}

    # ── what can be used ──────────────────────────────────────────────────────────────────────────────────────────

    def state(self, provider: Provider, workspace_id: int = 0, region: Region | None = None) -> AccountState:
        """Whether that workspace can call it now by a route of that region. Workspace 0: any that has no pool of its
        own."""
        known = self._of(provider)
        # The usual case by itself: this is asked of every route that a call might take.
        if known.open_to_all and known.credentials.keys().isdisjoint(self._rests_until_micros):
            return AccountState.READY
        return self._state_of(pool for pool in known.pools if pool.serves(workspace_id, region))

    def state_for_anybody(self, provider: Provider) -> AccountState:
        """Whether it can be called at all, by whichever workspace and route."""
        return self._state_of(self._of(provider).pools)

    def _state_of(self, pools: Iterable[Pool]) -> AccountState:
        state = AccountState.NOT_CONFIGURED
        for pool in pools:
            if any(map(self.awake, pool.credentials)):
                return AccountState.READY
            state = AccountState.RESTING
        return state

    def usable(self, provider: Provider, workspace_id: int, region: Region | None) -> Credential | None:
        """An awake credential that serves that workspace and region, for a call that takes no slot; None: there is
        none."""
        for pool in self._of(provider).pools:
            if pool.serves(workspace_id, region):
                found = next(filter(self.awake, pool.credentials), None)
                if found is not None:
                    return found
        return None

    def serving(self, provider: Provider, workspace_id: int = 0) -> Credential | None:
        """A credential of a pool that serves the workspace, of whatever region, awake ones first: for what follows a
        call (a film's job) and asks for nothing new. None: there is none."""
        serving = (p for p in self._of(provider).pools if p.access == "shared" or workspace_id in p.workspaces)
        found = [credential for pool in serving for credential in pool.credentials]
        return next(filter(self.awake, found), found[0]) if found else None

    def again(self, provider: Provider, credential_id: str | None, workspace_id: int) -> Credential | None:
        """The credential that began something, for what follows it: the provider knows it in that account only. Where
        it is gone or not known, another one may be of the same account."""
        found = None if credential_id is None else self.find(provider, credential_id)
        return found or self.serving(provider, workspace_id)

    def endpoint(
        self, provider: Provider, credential: Credential | None = None, *, workspace_id: int = 0
    ) -> Endpoint | None:
        """Where to call, and with which key; without a credential with the one that `serving` finds. None when the
        provider needs a key and there is none."""
        credential = credential or self.serving(provider, workspace_id)
        if credential is None:
            return None
        known = self._of(provider)
        if known.credentials.get(credential.credential_id) is credential:
            return known.endpoints[credential.credential_id]
        # It was changed or removed a moment ago, and the call that holds it ends with what it began with.
        return self._endpoint_of(provider, credential)

    # ── rests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def awake(self, credential: Credential) -> bool:
        """Whether it may be used now."""
        if not self._rests_until_micros:
            return True
        until = self._rests_until_micros.get(credential.credential_id)
        if until is None or until > self._clock():
            return until is None
        del self._rests_until_micros[credential.credential_id]
        return True

    def rest_seconds(self, provider: Provider, workspace_id: int, region: Region | None) -> int:
        """Until the first key that serves that workspace and region is awake again; at least 1."""
        now = self._clock()
        untils = [
            self._rests_until_micros.get(credential.credential_id, now)
            for pool in self._of(provider).pools
            if pool.serves(workspace_id, region)
            for credential in pool.credentials
        ]
        return max(1, -(-(min(untils, default=now) - now) // MICROS_PER_SECOND))

    def rest(self, credential_id: str, seconds: int = REST_SECONDS) -> None:
        """The provider refused this key: leave it alone for a while. Never shortens a rest."""
        until = self._clock() + min(max(seconds, 1), MAX_REST_SECONDS) * MICROS_PER_SECOND
        self._rests_until_micros[credential_id] = max(until, self._rests_until_micros.get(credential_id, 0))

    def woke(self, credential_id: str) -> None:
        """The provider accepted this key."""
        self._rests_until_micros.pop(credential_id, None)

    # ── working it out ────────────────────────────────────────────────────────────────────────────────────────────

    def _of(self, provider: Provider) -> _Known:
        known = self._known.get(provider.provider_id)
        if known is not None and known.provider is provider:
            return known
        if known is not None and known.provider == provider:  # read again without a change
            found = known._replace(provider=provider)
        else:
            found = self._work_out(provider)
        self._known[provider.provider_id] = found
        return found

    def _work_out(self, provider: Provider) -> _Known:
        pools = self._pools_of(provider)
        credentials = {each.credential_id: each for pool in pools for each in pool.credentials}
        return _Known(
            provider=provider,
            pools=pools,
            credentials=credentials,
            endpoints={key: self._endpoint_of(provider, each) for key, each in credentials.items()},
            open_to_all=any(pool.access == "shared" and pool.region is None for pool in pools),
        )

    def _pools_of(self, provider: Provider) -> tuple[Pool, ...]:
        stored = self._stored.get(provider.provider_id, ())
        own = self._implicit(provider, any(pool.credentials for pool in stored))
        default = next((pool for pool in stored if pool.pool_id == DEFAULT_POOL), None)
        if default is None:
            default = Pool(pool_id=DEFAULT_POOL, provider_id=provider.provider_id, credentials=())
        if own is not None:
            default = msgspec.structs.replace(default, credentials=(own, *default.credentials))
        others = (pool for pool in stored if pool.pool_id != DEFAULT_POOL)
        return tuple(pool for pool in (default, *others) if pool.credentials)

    def _implicit(self, provider: Provider, stored: bool) -> Credential | None:
        """The credential that nobody stored: of the environment, the sandbox's, or none where none is wanted. Only a
        key of the environment stands beside stored ones: made-up answers must not mix with real ones."""
        if provider.api_key_env is None:
            return None if stored else _credential(provider, "environment", "env", None)
        key = self._environment.get(provider.api_key_env)
        if key and not (self._own_key_prefix and key.startswith(self._own_key_prefix)):
            return _credential(provider, "environment", "env", key)
        if self._sandbox is not None and not stored:
            return _credential(provider, "sandbox", "sandbox", self._sandbox.api_key)
        return None

    def _endpoint_of(self, provider: Provider, credential: Credential) -> Endpoint:
        base_url = provider.base_url
        if credential.origin == "sandbox" and self._sandbox is not None:
            base_url = self._sandbox.base_url
        return Endpoint(base_url, credential.api_key, auth_of(provider))


def _credential(provider: Provider, origin: Origin, prefix: str, api_key: str | None) -> Credential:
    return Credential(
        credential_id=f"{prefix}:{provider.provider_id}",
        provider_id=provider.provider_id,
        pool_id=DEFAULT_POOL,
        origin=origin,
        api_key=api_key,
    )


def _by_id(stored: Mapping[str, tuple[Pool, ...]]) -> dict[str, Credential]:
    return {each.credential_id: each for pools in stored.values() for pool in pools for each in pool.credentials}
