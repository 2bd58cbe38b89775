"""What leaves this machine for people: letters, and questions to blockchains."""

from typing import Protocol

from farebox.base.clock import Clock
from farebox.identity.people.contracts import RpcContracts
from farebox.mail.demo import DemoMailing
from farebox.mail.letter import MailState, Postman
from farebox.mail.nobody import NoMailing
from farebox.mail.smtp import SmtpMailing
from farebox.storage.pool import Pool, connected
from farebox.wiring.settings import Boot, Settings


class Mailing(Protocol):
    """A postman at work between `start` and `stop`."""

    @property
    def postman(self) -> Postman:
        """Who takes letters."""

    @property
    def state(self) -> MailState:
        """How sending goes."""

    def start(self) -> None:
        """Begin sending in the running event loop."""

    async def stop(self) -> None:
        """Send what waits, within a bound, and end."""


def mailing_of(settings: Settings, boot: Boot, pool: Pool, clock: Clock) -> Mailing:
    """By SMTP where a server is set; in a demo into its mailbox; else not at all."""
    if settings.mail.host:
        return SmtpMailing(settings.mail, settings.smtp_password)
    if boot.sandbox_base_url is not None:
        return DemoMailing(lambda: connected(pool), clock)
    return NoMailing()


def contracts_of(settings: Settings) -> RpcContracts:
    """Who asks contracts; of chains without a server nobody does."""
    timeouts = {chain.chain_id: chain.timeout_seconds for chain in settings.chains}
    return RpcContracts(settings.rpc_urls, timeouts)
