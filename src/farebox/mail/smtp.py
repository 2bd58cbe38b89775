"""Letters by SMTP: in the background, a few at a time, each tried a few times."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from typing import Final

import aiosmtplib

from farebox.base.limits import Mail
from farebox.mail.letter import Letter, MailState
from farebox.mail.waiting import MAX_WAIT_SECONDS, CannotSend, Mailing

# At once: a recipient's server that is slow keeps few others waiting, and no mail server takes this for an attack.
SENDERS: Final = 4
# Before the second try and the third; a code is good for minutes, so a later one would bring what nobody can use.
PAUSES_SECONDS: Final = (2.0, 10.0)
# Of a letter's sender, its recipient, its beginning and its end.
EXCHANGES: Final = 4
# From here on the server means it, and sending again would only annoy it.
_FIRST_PERMANENT: Final = 500

_Act = Callable[[aiosmtplib.SMTP], Awaitable[None]]


class SmtpMailing(Mailing):
    """Sends by the server of the settings."""

    def __init__(
        self,
        mail: Mail,
        password: str | None,
        *,
        tls: ssl.SSLContext | None = None,
        pauses_seconds: tuple[float, ...] = PAUSES_SECONDS,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
    ) -> None:
        """`tls` None: the certificates that this machine trusts."""
        super().__init__(senders=SENDERS, max_wait_seconds=max_wait_seconds)
        self._mail = mail
        self._password = password
        self._tls = tls
        self._pauses_seconds = pauses_seconds

    @property
    def state(self) -> MailState:
        """How sending goes."""
        return MailState("smtp", self._failure)

    async def deliver(self, letter: Letter) -> None:
        """Try a few times. Raises CannotSend."""
        sender, message = parseaddr(self._mail.sender)[1], message_of(letter, self._mail.sender)

        async def hand_over(client: aiosmtplib.SMTP) -> None:
            await client.send_message(message, sender=sender, recipients=[letter.to])

        await self._try(hand_over)

    async def pretend(self, letter: Letter) -> None:
        """The same as often, with as many words, but none that names a recipient. Raises CannotSend."""
        message = message_of(letter, self._mail.sender)

        async def say_nothing(client: aiosmtplib.SMTP) -> None:
            message.as_bytes()
            for _ in range(EXCHANGES):
                await client.noop()

        await self._try(say_nothing)

    async def greet(self) -> None:
        """Connect, say hello, log in, and leave: whether letters can be handed over at all. Raises CannotSend."""

        async def say_hello(client: aiosmtplib.SMTP) -> None:
            await client.noop()

        await self._once(say_hello)

    async def _try(self, act: _Act) -> None:
        for pause_seconds in self._pauses_seconds:
            try:
                await self._once(act)
                return
            except CannotSend as error:
                if error.is_final:
                    raise
            await asyncio.sleep(pause_seconds)
        await self._once(act)

    async def _once(self, act: _Act) -> None:
        try:
            # Each letter has a connection of its own: there are few, and none is left hanging.
            async with asyncio.timeout(self._mail.timeout_seconds), self._client() as client:
                await act(client)
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _cannot_send(error) from None

    def _client(self) -> aiosmtplib.SMTP:
        mail = self._mail
        return aiosmtplib.SMTP(
            hostname=mail.host,
            port=mail.port,
            username=mail.username or None,
            password=self._password if mail.username else None,
            use_tls=mail.security == "tls",
            # Always or never, and not only where the server offers it: whoever stands between could hide the offer.
            start_tls=mail.security == "starttls",
            tls_context=self._tls,
            timeout=mail.timeout_seconds,
        )


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """The letter as it travels. Raises ValueError for a head that would be more lines than it has."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "localhost")
    # So that no out-of-office note answers it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body)
    return message


def _cannot_send(error: Exception) -> CannotSend:
    """In words for the operator. What the server said is not repeated: it may name the recipient."""
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return CannotSend(f"the mail server refuses the account of [mail] ({error.code})", is_final=True)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        code = max((refused.code for refused in error.recipients), default=_FIRST_PERMANENT)
        return CannotSend(f"the mail server refuses the recipient ({code})", is_final=code >= _FIRST_PERMANENT)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return CannotSend(f"the mail server answers {error.code}", is_final=error.code >= _FIRST_PERMANENT)
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return CannotSend("the mail server's certificate is not one for its name", is_final=True)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return CannotSend("the mail server speaks no TLS there: port and security of [mail] may not fit", is_final=True)
    # Without a class of its own: a server that does not offer STARTTLS.
    if isinstance(error, aiosmtplib.SMTPNotSupported) or type(error) is aiosmtplib.SMTPException:
        return CannotSend("the mail server does not offer what [mail] asks for (STARTTLS, or to log in)", is_final=True)
    if isinstance(error, TimeoutError):
        return CannotSend("the mail server does not answer in time")
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | OSError):
        hung_up = isinstance(error.__cause__ or error, aiosmtplib.SMTPServerDisconnected)
        return CannotSend(f"the mail server {'hangs up' if hung_up else 'cannot be reached'}")
    return CannotSend(
        f"the mail server cannot be used ({type(error).__name__})", is_final=isinstance(error, ValueError)
    )
