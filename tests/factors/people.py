"""Somebody with a browser, passkeys and an authenticator app."""

import itertools
from typing import Any, Final

import pyotp

from farebox.base.ids import read_short
from tests.factors.authenticator import TRUTH, Lie, SoftPasskey
from tests.gateway import RunningGateway
from tests.people.browser import Answer, Browser

_NUMBERS = itertools.count(1)
STEP_MICROS: Final = 30_000_000
STALE_MICROS: Final = 24 * 3_600 * 1_000_000


class Somebody(Browser):
    """One person at one browser. Another browser of the same person: `Somebody(gateway, email=…)`."""

    def __init__(self, gateway: RunningGateway, *, email: str | None = None) -> None:
        super().__init__(gateway)
        self.email = email or f"factor{next(_NUMBERS)}@example.com"
        self.person_id = 0

    async def enter(self) -> "Somebody":
        """Sign in by e-mail."""
        signed_in = await self.sign_in(self.email)
        self.person_id = read_short("person", signed_in["person_id"])
        return self

    # ── passkeys ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def challenge(self, purpose: str = "sign_in") -> dict[str, Any]:
        """A challenge: challenge_id, options, expires_at."""
        return dict(await self.post("/api/auth/passkey/challenge", {"purpose": purpose}))

    async def answer(self, challenge: dict[str, Any], credential: Any, **more: Any) -> Answer:
        """Send what an authenticator says."""
        body = {"challenge_id": challenge["challenge_id"], "credential": credential, **more}
        return await self.request("POST", "/api/auth/passkey/verify", body=body)

    async def link(self, passkey: SoftPasskey | None = None, lie: Lie = TRUTH, **more: Any) -> Answer:
        """Make a passkey and link it."""
        challenge = await self.challenge("link")
        made = (passkey or SoftPasskey()).create(challenge["options"], self.gateway.site, lie)
        return await self.answer(challenge, made, **more)

    async def new_passkey(self) -> SoftPasskey:
        """A passkey that is linked."""
        passkey = SoftPasskey()
        answer = await self.link(passkey)
        assert answer.status == 200, answer.text
        return passkey

    async def use(self, passkey: SoftPasskey, lie: Lie = TRUTH, *, purpose: str = "sign_in") -> Answer:
        """Sign in or step up with it."""
        challenge = await self.challenge(purpose)
        return await self.answer(challenge, passkey.get(challenge["options"], self.gateway.site, lie))

    # ── authenticator apps ────────────────────────────────────────────────────────────────────────────────────────

    async def new_app(self) -> tuple["App", list[str]]:
        """An authenticator app that is turned on, and the recovery codes."""
        setup = await self.post("/api/me/totp")
        app = App(self.gateway, setup["secret"])
        made = await self.post("/api/me/totp/confirm", {"code": app.code()})
        await self.forget_steps()
        return app, made["recovery_codes"]

    async def give(self, code: str) -> Answer:
        """Give a second factor."""
        return await self.request("POST", "/api/auth/code", body={"code": code})

    async def forget_steps(self) -> None:
        """As if the app's last code had been given long ago."""
        await self.change("UPDATE totp_secret SET last_step = 0 WHERE person_id = %s")

    # ── behind the gateway's back ─────────────────────────────────────────────────────────────────────────────────

    async def grow_stale(self) -> None:
        """As if all proofs were a day old."""
        await self.change(
            f"UPDATE person_session SET proved_at = proved_at - {STALE_MICROS}, "
            f"second_factor_at = second_factor_at - {STALE_MICROS} WHERE person_id = %s"
        )

    async def become(self, role: str) -> None:
        """Get a platform role."""
        await self.change(
            f"INSERT INTO platform_role (person_id, role, granted_at, granted_by) VALUES (%s, '{role}', 1, 'test')"
        )

    async def change(self, statement: str) -> None:
        """Change rows of this person."""
        async with self.gateway.connect() as connection:
            await connection.execute(statement.encode(), (self.person_id,))

    async def actions(self) -> list[str]:
        """What the record says about this person, the oldest first."""
        rows = await self.gateway.rows(
            "SELECT action FROM audit_event WHERE person_id = %s ORDER BY event_id", self.person_id
        )
        return [row[0] for row in rows]

    async def is_fresh(self) -> bool:
        """Whether something delicate is allowed now: to begin with an app that is never confirmed, or to hear that
        there is one."""
        answer = await self.request("POST", "/api/me/totp")
        assert answer.status in (200, 409) or answer.code == "step_up_required", answer.text
        return answer.status != 403


class App:
    """An authenticator app on a telephone."""

    def __init__(self, gateway: RunningGateway, secret: str) -> None:
        self._gateway = gateway
        self._otp = pyotp.TOTP(secret)

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many steps later."""
        return str(self._otp.generate_otp(self._gateway.clock() // STEP_MICROS + steps))

    def wrong_code(self) -> str:
        """A code that is good neither now nor soon."""
        good = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in (f"{number:06}" for number in range(10)) if code not in good)
