"""What signing in costs the server: processor time of the whole tree, and the time until the cookie is there.

By e-mail against a real SMTP server in this process and by a wallet that is a key, each time with a new account, which
is the dearer case; and by a passkey of an account that there is. One after the other.
"""

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from aiosmtpd.controller import Controller
from coincurve import PrivateKey
from Crypto.Hash import keccak
from tests.factors.authenticator import SoftPasskey

from bench.children import Listening, child
from bench.gateway import GatewayOrder
from bench.home import disk_folder, prepare_home
from bench.processes import cpu_of_tree
from bench.report import Report, middle, number
from bench.run import Run

# Each sign-in comes from an address of its own, or the limits of attempts would end the measurement.
_CONFIG: Final = """
[server]
trusted_proxies = ["127.0.0.0/8"]

[mail]
host     = "127.0.0.1"
port     = {port}
security = "none"
sender   = "Bench <bench@example.com>"
"""
_CODE: Final = re.compile(r"^ {4}([0-9]{6})\r?$", re.MULTILINE)
_PATIENCE_SECONDS: Final = 20.0


class Mailbox:
    """Takes letters by SMTP; the newest one counts."""

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """What aiosmtpd calls for each letter."""
        del server, session
        self._bodies[envelope.rcpt_tos[0]] = envelope.content.decode()
        return "250 OK"

    def code(self, email: str) -> str:
        """The code that came to that address; waits for it, and forgets the letter."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while email not in self._bodies:
            if time.monotonic() > deadline:
                raise RuntimeError("no letter came")
            time.sleep(0.001)
        found = _CODE.search(self._bodies.pop(email))
        if found is None:
            raise RuntimeError("the letter has no code")
        return found[1]


class Client:
    """One browser after another."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://localhost:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
        self._visits = 0
        self._address = ""
        self.cookie = ""
        self.waited_seconds = 0.0

    def visit(self) -> None:
        """Somebody else's browser."""
        self._visits += 1
        self._address = f"198.18.{self._visits // 250}.{1 + self._visits % 250}"
        self.cookie, self.waited_seconds = "", 0.0

    def post(self, path: str, body: object) -> Any:
        """The answer of a page's request. Time at the server is added to `waited_seconds`."""
        headers = {
            "content-type": "application/json",
            "origin": self.origin,
            "sec-fetch-site": "same-origin",
            "x-forwarded-for": self._address,
            "cookie": self.cookie,
        }
        began = time.perf_counter()
        self._connection.request("POST", path, json.dumps(body), headers)
        response = self._connection.getresponse()
        answer = response.read()
        self.waited_seconds += time.perf_counter() - began
        if response.status >= 400:
            raise RuntimeError(f"{path}: {response.status} {answer.decode()}")
        if (cookie := response.getheader("set-cookie")) is not None:
            self.cookie = cookie.partition(";")[0]
        return json.loads(answer)


def sign_in(run: Run) -> Report:
    """Milliseconds for each way to sign in."""
    times = run.pick(200, quick=20)
    report = Report("sign-in", ["", "CPU ms, whole tree", "p50 ms", "p99 ms", "budget"])
    with _served(run) as (client, mailbox, root_pid):
        for what, way in (
            ("by e-mail", _by_email(mailbox, "new")),
            ("by a wallet", _by_wallet()),
            ("by a passkey", _by_passkey(mailbox)),
        ):
            run.progress(what)
            way(client)  # warm-up, and the account where it shall be known
            before, waited = cpu_of_tree(root_pid), []
            for _ in range(times):
                client.visit()
                way(client)
                waited.append(client.waited_seconds * 1e3)
            cpu_ms = cpu_of_tree(root_pid).since(before).total / times * 1e3
            waited.sort()
            report.row(what, cpu_ms, middle(waited), waited[int(len(waited) * 0.99)], "≤ 50 ms")
    report.notes.append(f"{number(times)} times each, one after the other; both requests of a sign-in together.")
    return report


@contextmanager
def _served(run: Run) -> Iterator[tuple[Client, Mailbox, int]]:
    mailbox = Mailbox()
    with ExitStack() as stack:
        folder = stack.enter_context(disk_folder(run.folder))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        controller = Controller(mailbox, hostname="127.0.0.1", port=port)
        controller.start()
        stack.callback(controller.stop)
        home = prepare_home(folder, upstream_url="http://127.0.0.1:9/v1", upstream_key="none", customers=1)
        with home.config.open("a", encoding="utf-8") as config:
            config.write(_CONFIG.format(port=port))
        serving = stack.enter_context(child("bench.gateway", GatewayOrder(str(home.config), home.environment)))
        yield Client(serving.answer(Listening).port), mailbox, serving.pid


def _by_email(mailbox: Mailbox, name: str) -> Callable[[Client], None]:
    made = 0

    def way(client: Client) -> None:
        nonlocal made
        made += 1
        # An address gets a letter only so often; a new one costs its account as well.
        email = f"{name}-{made}@example.com"
        challenge = client.post("/api/auth/email", {"email": email})
        answer = {"challenge_id": challenge["challenge_id"], "code": mailbox.code(email)}
        client.post("/api/auth/email/verify", answer)

    return way


def _by_wallet() -> Callable[[Client], None]:
    def way(client: Client) -> None:
        key = PrivateKey()
        address = "0x" + _keccak(key.public_key.format(compressed=False)[1:])[-20:].hex()
        challenge = client.post("/api/auth/wallet/challenge", {"address": address, "chain_id": 1})
        text = challenge["message"].encode()
        digest = _keccak(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
        raw = key.sign_recoverable(digest, hasher=None)
        signature = "0x" + (raw[:64] + bytes([27 + raw[64]])).hex()
        verify = {"challenge_id": challenge["challenge_id"], "signature": signature}
        client.post("/api/auth/wallet/verify", verify)

    return way


def _by_passkey(mailbox: Mailbox) -> Callable[[Client], None]:
    passkey = SoftPasskey()
    is_known = False

    def way(client: Client) -> None:
        nonlocal is_known
        if not is_known:
            is_known = True
            client.visit()
            _by_email(mailbox, "passkey")(client)
            challenge = client.post("/api/auth/passkey/challenge", {"purpose": "link"})
            created = passkey.create(challenge["options"], client.origin)
            client.post("/api/auth/passkey/verify", {"challenge_id": challenge["challenge_id"], "credential": created})
            client.visit()
        challenge = client.post("/api/auth/passkey/challenge", {})
        found = passkey.get(challenge["options"], client.origin)
        client.post("/api/auth/passkey/verify", {"challenge_id": challenge["challenge_id"], "credential": found})

    return way


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()
