"""Real mail servers on sockets of this machine, with their moods."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from farebox.base.limits import Mail

USERNAME, PASSWORD = "gateway", "a password of the mail server"


class Mailbox:
    """Keeps what is delivered. `refusals`: what is answered instead, one after the other."""

    def __init__(self, *refusals: str, at: str = "DATA") -> None:
        self.messages: list[bytes] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []
        self.tries = 0
        self._refusals = list(refusals)
        self._at = at

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._at == "RCPT" and self._refusals:
            self.tries += 1
            return self._refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self._at == "DATA":
            self.tries += 1
            if self._refusals:
                return self._refusals.pop(0)
        self.messages.append(envelope.original_content or b"")
        self.recipients.extend(envelope.rcpt_tos)
        self.senders.append(str(envelope.mail_from))
        return "250 OK"


class Listening(Mailbox):
    """Notes in `heard` what a client says after hello."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.heard.append("MAIL")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.heard.append("RCPT")
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.heard.append("DATA")
        return await super().handle_DATA(server, session, envelope)

    async def handle_NOOP(self, server: SMTP, session: Session, envelope: Envelope, arg: str) -> str:  # noqa: N802
        self.heard.append("NOOP")
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.heard.append("QUIT")
        return "221 Bye"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    is_right = (
        isinstance(data, LoginPassword) and data.login == USERNAME.encode() and data.password == PASSWORD.encode()
    )
    return AuthResult(success=is_right, handled=is_right)


@contextlib.contextmanager
def mail_server(
    mailbox: Mailbox, *, tls: ssl.SSLContext | None = None, is_tls_first: bool = False, wants_login: bool = False
) -> Iterator[Mail]:
    """A server; what `[mail]` would say of it. With `tls` it wants STARTTLS, or speaks TLS from the first byte."""
    starts_tls = None if is_tls_first else tls
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=starts_tls,
        require_starttls=starts_tls is not None,
        ssl_context=tls if is_tls_first else None,
        authenticator=_authenticate if wants_login else None,
        auth_required=wants_login,
        auth_require_tls=starts_tls is not None,
    )
    controller.start()
    try:
        security = "none" if tls is None else "tls" if is_tls_first else "starttls"
        yield settings_of(controller.port, security=security, username=USERNAME if wants_login else "")
    finally:
        controller.stop()


def settings_of(port: int, **others: Any) -> Mail:
    """`[mail]` for a server on this machine."""
    return Mail(
        host="localhost",
        port=port,
        sender="Farebox <no-reply@gateway.example>",
        timeout_seconds=5.0,
        **others,
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for localhost, and a client's that trusts it."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    _write_certificate(key, chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cafile=str(chain))
    return server, client


def _write_certificate(key_path: Path, chain_path: Path) -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    chain_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
