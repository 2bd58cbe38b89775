"""A passkey device inside Chromium (WebDriver's virtual authenticator): it makes keys and asks nobody to touch it."""

from typing import Any

from playwright.async_api import CDPSession, Page


class Authenticator:
    """What a page finds when it asks for a passkey."""

    def __init__(self, session: CDPSession, authenticator_id: str) -> None:
        self._session = session
        self._id = authenticator_id

    @classmethod
    async def at(cls, page: Page) -> "Authenticator":
        """A new one, without passkeys, that verifies its user."""
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(session, added["authenticatorId"])

    async def passkeys(self) -> list[dict[str, Any]]:
        """What it holds."""
        found = await self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})
        return list(found["credentials"])

    async def verify_user(self, verified: bool) -> None:
        """Whether its user's finger is the right one from now on."""
        wanted = {"authenticatorId": self._id, "isUserVerified": verified}
        await self._session.send("WebAuthn.setUserVerified", wanted)
