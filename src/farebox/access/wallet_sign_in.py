"""Signing in with a wallet, linking one, proving oneself again with one, and linking one whose holdings count.

The server writes the text that is signed and keeps it; of the browser it takes nothing but the signature. A text is
used up by its first answer, and one for anything but signing in is good in the session that asked for it alone. A
signature says whose a wallet is and nothing else: it pays, allows and transfers nothing, and the text says so.
"""

import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

import msgspec

from farebox.access.asking import Caller, require_fresh, require_site
from farebox.access.letters import tell
from farebox.access.opening import Connection, keep_open, limit, note_failure, open_for, sign_in_failed
from farebox.access.parts import Access
from farebox.access.step_up import require_way
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import show_short, uuid7
from farebox.identity.audit import Event, record
from farebox.identity.people import wallets
from farebox.identity.people.attempts import Attempt, whence
from farebox.identity.people.ethereum import (
    MAX_CHAIN_ID,
    NotEthereum,
    SignInText,
    checksummed,
    message_digest,
    read_address,
    read_signature,
    recover_address,
)
from farebox.identity.people.holdings import (
    MAX_HOLDING_WALLETS,
    HoldingWallet,
    count_holdings,
    holder_of,
    link_holding,
)
from farebox.identity.people.model import Method, OpenedSession, Purpose, Session, SessionState, Visit, show_person
from farebox.identity.people.store import create_person, emails_of, lock_person
from farebox.identity.people.wallets import MAX_WALLETS, StoredChallenge, WalletProof
from farebox.storage.pool import connected

_HOUR: Final = 3_600
# Texts and answers of one client: an office behind one address. There is nothing to guess; what is bounded is rows,
# and questions to the servers of chains.
CHALLENGES_PER_CLIENT: Final = (120, _HOUR)
ANSWERS_PER_CLIENT: Final = (120, _HOUR)
# Texts for one wallet, whose address everybody knows: far above what its owner asks for, and above what one client
# can, so that no single stranger shuts them out.
CHALLENGES_PER_WALLET: Final = (400, _HOUR)

# EIP-4361 lets a statement have these letters alone.
_STATEMENT: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;= ]+")
_NO_PAYMENT: Final = "This only proves that the wallet is yours: it is no payment, no approval and no transfer."
_OF_PEOPLE: Final = (Purpose.SIGN_IN, Purpose.LINK, Purpose.STEP_UP)
_STATEMENTS: Final = {
    Purpose.SIGN_IN: f"Sign in to {{name}}. {_NO_PAYMENT}",
    Purpose.LINK: f"Sign in to your account at {{name}} with this wallet from now on. {_NO_PAYMENT}",
    Purpose.STEP_UP: f"Confirm to {{name}} that it is you. {_NO_PAYMENT}",
    Purpose.HOLDING: f"Let what this wallet holds count for a workspace at {{name}}; it signs nobody in. {_NO_PAYMENT}",
}


class WalletChallenge(msgspec.Struct, frozen=True):
    """What the wallet is to sign (`personal_sign`), until when."""

    challenge_id: UUID
    message: str
    expires_at: int


async def begin_wallet(
    access: Access,
    address: str,
    chain_id: int,
    *,
    visit: Visit,
    purpose: Purpose,
    session: Session | None = None,
    workspace_id: int | None = None,
) -> WalletChallenge:
    """A text to sign, made alike for wallets that are known here and those that are not. `workspace_id`: of holding.

    Raises Problem: sign_in_unavailable, invalid_request, too_many_attempts; of all but signing in also not_signed_in
    and second_factor_required, of link step_up_required.
    """
    wanted = _read_wallet(address, chain_id)
    bound_to = None if purpose is Purpose.SIGN_IN else _active(session)
    if purpose is Purpose.LINK:
        require_fresh(access, _active(session))
    of_client = Attempt(f"wallet-challenge:{whence(visit.address)}", *CHALLENGES_PER_CLIENT)
    of_wallet = Attempt(f"wallet:{wanted}", *CHALLENGES_PER_WALLET)
    await limit(access, of_client, of_wallet, visit=visit, method=Method.WALLET)
    made = _challenge(access, (wanted, chain_id), purpose, bound_to=bound_to, workspace_id=workspace_id)
    async with connected(access.pool) as connection:
        if purpose is Purpose.STEP_UP:
            await require_way(connection, _active(session), Method.WALLET)
        await wallets.keep_challenge(connection, made)
    return WalletChallenge(made.challenge_id, made.message, made.expires_at)


async def finish_wallet(
    access: Access, challenge_id: UUID, signature: str, *, visit: Visit, session: Session | None = None
) -> OpenedSession:
    """The session after a wallet signed. Raises Problem: invalid_request (what can be no signature; the text stays
    good), sign_in_failed, too_many_attempts, chain_unavailable; of link conflict, of link and step_up not_signed_in and
    second_factor_required."""
    answering = _Answering(access, visit, session)
    challenge, proof = await answering.prove(challenge_id, signature, purposes=_OF_PEOPLE)
    try:
        async with connected(access.pool) as connection, connection.transaction():
            return await answering.act(connection, challenge.purpose, proof)
    except Problem:
        await answering.note_failure(challenge)
        raise


async def finish_holding(access: Access, challenge_id: UUID, signature: str, *, caller: Caller) -> HoldingWallet:
    """The wallet counts for the caller's workspace. Raises Problem as `finish_wallet` does, and (`conflict`) for one
    that counts already, here or elsewhere."""
    answering = _Answering(access, caller.visit, caller.session, workspace_id=caller.workspace_id)
    _, proof = await answering.prove(challenge_id, signature, purposes=(Purpose.HOLDING,))
    async with connected(access.pool) as connection, connection.transaction():
        holder = await holder_of(connection, proof)
        if holder is not None:
            where = "this workspace" if holder == caller.workspace_id else "another workspace"
            raise Problem("conflict", f"What this wallet holds counts for {where} already.")
        if await count_holdings(connection, caller.workspace_id) >= MAX_HOLDING_WALLETS:
            raise Problem("conflict", f"{MAX_HOLDING_WALLETS} wallets count for this workspace; unlink one first.")
        linked = await link_holding(connection, caller.workspace_id, proof, by=caller.actor, now_micros=access.clock())
        await record(connection, holding_event(caller, "holding_wallet.linked", linked), now_micros=access.clock())
        return linked


def holding_event(caller: Caller, action: str, wallet: HoldingWallet) -> Event:
    """What is recorded about a holding wallet; its address is public anyway."""
    subject = show_short("holding", wallet.wallet_id)
    return caller.event(action, subject=subject, wallet=checksummed(wallet.address), chain_id=wallet.chain_id)


class _Answering:
    """One answer to one challenge, by whoever sent it. Between using the challenge up and acting on it a contract may
    be asked, so no connection and no lock is held meanwhile."""

    def __init__(
        self, access: Access, visit: Visit, session: Session | None, *, workspace_id: int | None = None
    ) -> None:
        self._access = access
        self._visit = visit
        self._session = session
        self._workspace_id = workspace_id

    async def prove(
        self, challenge_id: UUID, signature: str, *, purposes: Collection[Purpose]
    ) -> tuple[StoredChallenge, WalletProof]:
        """The challenge, used up, and whose the signature is. Raises Problem."""
        raw = _read_signature(signature)
        attempt = Attempt(f"wallet-answer:{whence(self._visit.address)}", *ANSWERS_PER_CLIENT)
        await limit(self._access, attempt, visit=self._visit, method=Method.WALLET)
        async with connected(self._access.pool) as connection:
            used = await wallets.use_challenge(connection, challenge_id, now_micros=self._access.clock())
        if used is None or used.purpose not in purposes or not self._may_answer(used):
            raise await self._failed(used)
        digest = message_digest(used.message)
        if recover_address(digest, raw) == used.address:
            # By its key, also where an account has code that was delegated to (EIP-7702): the key is still its own.
            return used, WalletProof(used.address, None)
        try:
            is_valid = await self._access.contracts.is_valid(used.chain_id, used.address, digest, raw)
        except Problem:
            # Nobody could tell: this was no answer yet, and the same one may be sent again.
            async with connected(self._access.pool) as connection:
                await wallets.give_back(connection, used.challenge_id)
            raise
        if not is_valid:
            raise await self._failed(used)
        return used, WalletProof(used.address, used.chain_id)

    async def act(self, connection: Connection, purpose: Purpose, proof: WalletProof) -> OpenedSession:
        """What was asked for. A refusal takes back what was written of it. Raises Problem."""
        await wallets.lock_address(connection, proof.address)
        if purpose is Purpose.SIGN_IN:
            return await self._sign_in(connection, proof)
        own = _active(self._session)
        # Before any row of theirs, as everybody does who changes how somebody signs in: else two could wait for each
        # other, and one of them would be whoever shuts this session out.
        await lock_person(connection, own.person_id)
        if purpose is Purpose.LINK:
            kept = await keep_open(connection, own)
            await self._link(connection, own, proof)
            return kept
        await require_way(connection, own, Method.WALLET)
        await self._require_own(connection, own, proof)
        return await open_for(
            connection, self._access, own.person_id, method=Method.WALLET, visit=self._visit, session=own
        )

    async def note_failure(self, used: StoredChallenge | None) -> None:
        """A line in the record: of whose session it is, or of whom it would have signed in."""
        async with connected(self._access.pool) as connection:
            person_id = None if used is None else used.person_id
            if used is not None and used.purpose is Purpose.SIGN_IN:
                for chain_id in (None, used.chain_id):
                    found = await wallets.wallet_of(connection, WalletProof(used.address, chain_id))
                    person_id = found.person_id if found is not None else person_id
            await note_failure(connection, self._access, method=Method.WALLET, visit=self._visit, person_id=person_id)

    async def _sign_in(self, connection: Connection, proof: WalletProof) -> OpenedSession:
        """Whoever the wallet belongs to, or somebody new."""
        found = await wallets.wallet_of(connection, proof)
        now_micros = self._access.clock()
        if found is not None:
            person_id = found.person_id
            await lock_person(connection, person_id)
            await wallets.note_used(connection, found.wallet_id, now_micros=now_micros)
        elif self._access.sign_in.open:
            person_id = (await create_person(connection, now_micros=now_micros)).person_id
            await self._record(connection, "person.created", person_id, subject=show_person(person_id))
            await self._make_way(connection, person_id, proof)
        else:
            raise sign_in_failed()
        return await open_for(
            connection, self._access, person_id, method=Method.WALLET, visit=self._visit, session=self._session
        )

    async def _link(self, connection: Connection, own: Session, proof: WalletProof) -> None:
        """A new way to sign in for who is signed in and locked. One that is theirs already stays as it is."""
        found = await wallets.wallet_of(connection, proof)
        if found is not None:
            if found.person_id == own.person_id:
                return
            message = "This wallet signs in to another account. Unlink it there first, or use another one."
            raise Problem("conflict", message)
        if await wallets.count_wallets(connection, own.person_id) >= MAX_WALLETS:
            raise Problem("conflict", f"You have {MAX_WALLETS} wallets already; unlink one first.")
        await self._make_way(connection, own.person_id, proof)
        known = await emails_of(connection, own.person_id)
        tell(self._access, known, what=f"The wallet {checksummed(proof.address)} can be used to sign in to it now")

    async def _require_own(self, connection: Connection, own: Session, proof: WalletProof) -> None:
        """Raises Problem(`sign_in_failed`) unless it is a wallet that this person signs in with."""
        found = await wallets.wallet_of(connection, proof)
        if found is None or found.person_id != own.person_id:
            raise sign_in_failed()
        await wallets.note_used(connection, found.wallet_id, now_micros=self._access.clock())

    def _may_answer(self, used: StoredChallenge) -> bool:
        if used.purpose is Purpose.SIGN_IN:
            return True
        own = self._session
        return (
            own is not None
            and own.state is SessionState.ACTIVE
            and (own.session_id, own.person_id) == (used.session_id, used.person_id)
            and used.workspace_id == self._workspace_id
        )

    async def _make_way(self, connection: Connection, person_id: int, proof: WalletProof) -> None:
        wallet_id = await wallets.link_wallet(connection, person_id, proof, now_micros=self._access.clock())
        assert wallet_id is not None, "the address is locked"
        await self._record(connection, "wallet.linked", person_id, subject=show_short("wallet", wallet_id), proof=proof)

    async def _record(
        self,
        connection: Connection,
        action: str,
        person_id: int,
        *,
        subject: str,
        proof: WalletProof | None = None,
    ) -> None:
        shown = {} if proof is None else {"wallet": checksummed(proof.address), "chain_id": proof.chain_id}
        event = Event(
            action=action,
            actor=show_person(person_id),
            person_id=person_id,
            subject=subject,
            detail=shown,
            address=self._visit.address,
        )
        await record(connection, event, now_micros=self._access.clock())

    async def _failed(self, used: StoredChallenge | None) -> Problem:
        await self.note_failure(used)
        return sign_in_failed()


def _challenge(
    access: Access,
    wallet: tuple[str, int],
    purpose: Purpose,
    *,
    bound_to: Session | None,
    workspace_id: int | None,
) -> StoredChallenge:
    site, now_micros = require_site(access), access.clock()
    address, chain_id = wallet
    name = access.brand.name if _STATEMENT.fullmatch(access.brand.name) else site.host
    text = SignInText(
        authority=site.authority,
        address=address,
        statement=_STATEMENTS[purpose].format(name=name),
        uri=site.origin,
        chain_id=chain_id,
        nonce=wallets.new_nonce(),
        issued_at=now_micros,
        expires_at=now_micros + int(access.sign_in.challenge_seconds * MICROS_PER_SECOND),
        request_id=_bound(bound_to, workspace_id),
    )
    return StoredChallenge(
        challenge_id=uuid7(now_micros),
        nonce=text.nonce,
        message=str(text),
        address=address,
        chain_id=chain_id,
        purpose=purpose,
        person_id=None if bound_to is None else bound_to.person_id,
        session_id=None if bound_to is None else bound_to.session_id,
        workspace_id=workspace_id,
        created_at=text.issued_at,
        expires_at=text.expires_at,
    )


def _bound(session: Session | None, workspace_id: int | None) -> str:
    """Whom or what the text is about, so that it stands in what is signed."""
    if workspace_id is not None:
        return show_short("ws", workspace_id)
    return "" if session is None else session.actor


def _read_wallet(address: str, chain_id: int) -> str:
    if not 0 < chain_id <= MAX_CHAIN_ID:
        raise Problem("invalid_request", f"chain_id is a whole number from 1 to {MAX_CHAIN_ID}.", param="chain_id")
    try:
        return read_address(address)
    except NotEthereum as error:
        raise Problem("invalid_request", f"address {error}.", param="address") from None


def _read_signature(text: str) -> bytes:
    try:
        return read_signature(text)
    except NotEthereum as error:
        raise Problem("invalid_request", f"signature {error}.", param="signature") from None


def _active(session: Session | None) -> Session:
    if session is None:
        raise Problem("not_signed_in", "Nobody is signed in.", facts={"reason": "missing"})
    if session.state is not SessionState.ACTIVE:
        raise Problem("second_factor_required", "The second factor is still missing.")
    return session
