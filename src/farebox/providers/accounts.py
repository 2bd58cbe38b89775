"""What this process knows of each provider's account: its key, where it is reached, and whether it rests.

Keys come from the environment when the process starts and are never written anywhere. In a demo, providers without a
key of their own are played by the sandbox.
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.catalog.model import AuthHeader, Provider, auth_of

# After an upstream 401, 402 or 403 the key is not tried again for so long: somebody has to mend the account first.
REST_SECONDS = 60


class AccountState(StrEnum):
    """Whether a provider can be called."""

    READY = "ready"
    NOT_CONFIGURED = "not_configured"  # no key
    RESTING = "resting"  # the provider refused the key a moment ago


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

    def endpoint(self, provider: Provider) -> Endpoint | None:
        """Where to call; None when the provider needs a key and there is none."""
        if provider.api_key_env is None:
            return Endpoint(provider.base_url, None)
        key = self._environment.get(provider.api_key_env)
        if key and not (self._own_key_prefix and key.startswith(self._own_key_prefix)):
            return Endpoint(provider.base_url, key, auth_of(provider))
        if self._sandbox is not None:
            return Endpoint(self._sandbox.base_url, self._sandbox.api_key, auth_of(provider))
        return None

    def plays_sandbox(self, provider: Provider) -> bool:
        """Whether the sandbox answers for this provider."""
        endpoint = self.endpoint(provider)
        return self._sandbox is not None and endpoint is not None and endpoint.base_url == self._sandbox.base_url

    def state(self, provider: Provider) -> AccountState:
        """Whether it can be called now."""
        if self.endpoint(provider) is None:
            return AccountState.NOT_CONFIGURED
        resting = self._rests_until_micros.get(provider.provider_id, 0) > self._clock()
        return AccountState.RESTING if resting else AccountState.READY

    def rest(self, provider_id: str) -> None:
        """The provider refused our key: leave it alone for a while."""
        self._rests_until_micros[provider_id] = self._clock() + REST_SECONDS * MICROS_PER_SECOND

    def woke(self, provider_id: str) -> None:
        """The provider accepted our key."""
        self._rests_until_micros.pop(provider_id, None)
