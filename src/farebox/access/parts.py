"""What the shells need in order to know who asks. Built once per process by the composition root."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from farebox.base.addresses import Network
from farebox.base.brand import Brand
from farebox.base.clock import Clock
from farebox.base.limits import SignIn
from farebox.base.site import Site
from farebox.catalog.model import Catalog
from farebox.identity.model import KeyRecord
from farebox.identity.people.sessions import SessionTimes
from farebox.ledger.batcher import Rider
from farebox.ledger.commands import Command
from farebox.ledger.outcomes import Outcome
from farebox.mail.letter import Postman
from farebox.records.readiness import ReadinessItem
from farebox.storage.pool import Pool

Headers = list[tuple[bytes, bytes]]
Authenticate = Callable[[Headers, str | None], Awaitable[KeyRecord]]


class Sealer(Protocol):
    """Seals small secrets so that they can be stored, bound to what they belong to: elsewhere they do not open."""

    def seal_for(self, secret: str, bound_to: str) -> bytes:
        """The secret as it may be stored."""

    def open_for(self, sealed: bytes, bound_to: str) -> str:
        """The secret. Raises farebox.providers.secrets.CannotOpen."""


class ContractWallets(Protocol):
    """Asks contracts on a chain whether a signature is theirs (ERC-1271, ERC-6492)."""

    async def is_valid(self, chain_id: int, address: str, digest: bytes, signature: bytes) -> bool:
        """Raises Problem(`chain_unavailable`) where nobody can tell."""


class Submit(Protocol):
    """Sends a command to the ledger. A rider is written with it or not at all; it knows `audit.RECORD_EVENTS`."""

    async def __call__(self, command: Command, rider: Rider | None = None) -> Outcome:
        """Raises LedgerUnavailable: whether it took effect is not known; the same id may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`site` None: no public address is set, so nobody can sign in here. `authenticate`: of API keys. `sealer` None: no
    FAREBOX_SECRETS_KEY, so nobody can have an authenticator app. `welcome_credit_nanos`: promotional credit of a
    workspace that somebody makes; `new_workspace_limits` like "usd:5/month"."""

    pool: Pool
    clock: Clock
    brand: Brand
    site: Site | None
    sign_in: SignIn
    authenticate: Authenticate
    postman: Postman
    sealer: Sealer | None
    catalog: Callable[[], Catalog]
    contracts: ContractWallets
    submit: Submit
    readiness: Callable[[], Sequence[ReadinessItem]] = tuple
    trusted_proxies: Sequence[Network] = ()
    operator_token: str | None = None
    new_workspace_limits: Sequence[str] = ()
    welcome_credit_nanos: int = 0
    max_owned_workspaces: int = 10
    is_sandbox: bool = False

    @property
    def times(self) -> SessionTimes:
        """How long sessions live."""
        return SessionTimes(
            idle_seconds=int(self.sign_in.idle_seconds), absolute_seconds=int(self.sign_in.session_seconds)
        )
