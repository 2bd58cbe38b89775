"""A browser without a window: keeps the cookie as browsers do, and says whence a request comes as pages do.

    async with Browser(gateway) as browser:
        await browser.sign_in("anna@example.com")
        account = await browser.get("/api/me")

Each browser has an address of its own (127.x.y.z), so that one does not use up what another may try.
"""

import asyncio
import http.cookies
import itertools
import re
from collections.abc import Mapping
from typing import Any, Final, Self

import aiohttp
import msgspec

from tests.gateway import PATIENCE_SECONDS, RunningGateway

COOKIE: Final = "__Host-session"
_NUMBERS = itertools.count(2)
_CODE: Final = re.compile(r"^ {4}([0-9]{6})$", re.MULTILINE)
_TOKEN: Final = re.compile(r"/sign-in/link\?token=([A-Za-z0-9_-]+)")


class Letter(msgspec.Struct, frozen=True):
    """A letter as the demo keeps it."""

    letter_id: int
    recipient: str
    subject: str
    body: str

    @property
    def code(self) -> str:
        found = _CODE.search(self.body)
        assert found is not None, self.body
        return found[1]

    @property
    def link_token(self) -> str:
        found = _TOKEN.search(self.body)
        assert found is not None, self.body
        return found[1]


class Answer(msgspec.Struct, frozen=True):
    """An answer, read to its end. Redirects are not followed."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["error"]["code"])

    @property
    def location(self) -> str:
        return str(self.headers["location"])


class Browser:
    """One person's browser."""

    def __init__(self, gateway: RunningGateway, *, address: str | None = None, worker: int = 0) -> None:
        """`address`: of 127.0.0.0/8; None: one that no other browser has."""
        number = next(_NUMBERS)
        self.gateway = gateway
        self.worker = worker
        self.address = address or f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"
        self.cookie = ""  # the session's token
        self.set_cookie = ""  # the header as it came last
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(local_addr=(self.address, 0))
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
            headers={"user-agent": "Test browser"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: dict[str, str] | list[tuple[str, str]] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send it as a page of this site would. `headers`: others, or None to leave one out."""
        usual: dict[str, str | None] = {"sec-fetch-site": "same-origin", "cookie": None}
        if method not in ("GET", "HEAD"):
            usual["origin"] = self.gateway.site
        if self.cookie:
            usual["cookie"] = f"{COOKIE}={self.cookie}"
        if body is not None:
            usual["content-type"] = "application/json"
        raw = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value is not None}
        assert self._session is not None, "use it as `async with Browser(gateway) as browser`"
        url = self.gateway.workers[self.worker].url + path
        async with self._session.request(
            method, url, data=raw if form is None else form, headers=sent, allow_redirects=False
        ) as response:
            for value in response.headers.getall("set-cookie", []):
                self._keep(value)
            return Answer(response.status, response.headers, await response.read())

    def _keep(self, header: str) -> None:
        self.set_cookie = header
        found = http.cookies.SimpleCookie(header).get(COOKIE)
        if found is not None:
            self.cookie = found.value

    async def get(self, path: str, *, status: int = 200) -> Any:
        """The JSON of a GET."""
        answer = await self.request("GET", path)
        assert answer.status == status, answer.text
        return answer.json

    async def post(self, path: str, body: Any = None, *, status: int | None = None) -> Any:
        """The JSON of a POST; `status` None: any success."""
        return _checked(await self.request("POST", path, body=body), status)

    async def patch(self, path: str, body: Any, *, status: int | None = None) -> Any:
        """The JSON of a PATCH."""
        return _checked(await self.request("PATCH", path, body=body), status)

    async def delete(self, path: str, *, status: int | None = None) -> Any:
        """The JSON of a DELETE."""
        return _checked(await self.request("DELETE", path), status)

    async def letters(self, email: str) -> list[Letter]:
        """What lies in a mailbox of the demo, the newest first."""
        rows = await self.gateway.rows(
            "SELECT letter_id, recipient, subject, body FROM demo_letter WHERE recipient = %s ORDER BY letter_id DESC",
            email.lower(),
        )
        return [Letter(*row) for row in rows]

    async def letter(self, email: str, *, after: int = 0, with_code: bool = False) -> Letter:
        """The newest letter to that address whose id is greater than `after`, waited for: letters are sent in the
        background. `with_code`: none of the others, which may come in between."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = [each for each in await self.letters(email) if _CODE.search(each.body) or not with_code]
                if found and found[0].letter_id > after:
                    return found[0]
                await asyncio.sleep(0.01)

    async def begin_email(self, email: str, *, purpose: str = "sign_in") -> tuple[str, Letter]:
        """Ask for a letter: the challenge's id, and the letter."""
        before = await self.letters(email)
        challenge = await self.post("/api/auth/email", {"email": email, "purpose": purpose})
        after = before[0].letter_id if before else 0
        return challenge["challenge_id"], await self.letter(email, after=after, with_code=True)

    async def answer_code(self, challenge_id: str, code: str) -> Answer:
        """Answer a challenge, rightly or not."""
        return await self.request("POST", "/api/auth/email/verify", body={"challenge_id": challenge_id, "code": code})

    async def answer_link(self, token: str) -> Answer:
        """Press the button of a link's page."""
        return await self.request("POST", "/api/auth/email/verify", body={"token": token})

    async def sign_in(self, email: str, *, purpose: str = "sign_in") -> dict[str, Any]:
        """Prove an address by its letter's code; the answer of verify."""
        challenge_id, letter = await self.begin_email(email, purpose=purpose)
        answer = await self.answer_code(challenge_id, letter.code)
        assert answer.status == 200, answer.text
        return dict(answer.json)

    async def step_up(self, email: str) -> dict[str, Any]:
        """Prove again who it is, by one of the person's own addresses."""
        return await self.sign_in(email, purpose="step_up")


def _checked(answer: Answer, status: int | None) -> Any:
    is_right = answer.status < 400 if status is None else answer.status == status
    assert is_right, f"{answer.status}: {answer.text}"
    return msgspec.json.decode(answer.body) if answer.body else None
