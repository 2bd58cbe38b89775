"""/api/holding-wallets: wallets whose holdings count for a workspace. They sign nobody in."""

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.params import FromPath

from farebox.access.depend import TheAccess, TheCaller
from farebox.access.holding_wallets import list_holding, unlink_holding
from farebox.access.wallet_sign_in import begin_wallet, finish_holding
from farebox.api.auth_email import CHALLENGE_ID, read_challenge_id
from farebox.api.auth_wallet import (
    ADDRESS_FIELD,
    CHAIN_FIELD,
    MAX_BODY_BYTES,
    SIGNATURE_FIELD,
    WalletChallengeShape,
    read_signature_text,
    read_wallet,
    shown_challenge,
)
from farebox.api.bodies import fields_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PEOPLE, PEOPLE_ERRORS, answers, taking
from farebox.api.shapes import moment
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.people.ethereum import checksummed
from farebox.identity.people.holdings import HoldingWallet
from farebox.identity.people.model import Purpose
from farebox.identity.roles import Verb

_TAGS: Final = ["workspace"]
_ERRORS: Final = PEOPLE_ERRORS.plus(
    insufficient_scope="No API key may do this (billing.manage); a member of the workspace has to sign in.",
    role_not_allowed="A member with the role viewer may not do this (billing.manage).",
)
_SIGNED_ERRORS: Final = (
    _ERRORS.fresh()
    .with_body()
    .plus(
        invalid_request="address is not an address: 0x and 40 hexadecimal digits.",
        too_many_attempts="This was tried too often. Try again in 5 minutes.",
    )
)


class HoldingWalletShape(msgspec.Struct, frozen=True, kw_only=True):
    """`chain_id`: of a contract, which counts on that chain; null: proved by its key, so it counts on every chain.
    `unlinked_at`: null while it counts."""

    wallet_id: str
    address: str
    chain_id: int | None
    linked_at: str
    linked_by: str
    unlinked_at: str | None


class HoldingWalletList(msgspec.Struct, frozen=True, kw_only=True):
    """Those that count, then those that did, each the newest first."""

    data: list[HoldingWalletShape]
    object: str = "list"


@get(
    "/api/holding-wallets",
    summary="The wallets whose holdings count for the workspace",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_READ},
    responses=answers(
        HoldingWalletList,
        "Wallets, with their history",
        errors=_ERRORS.plus(
            insufficient_scope="No API key may do this (billing.read); a member of the workspace has to sign in."
        ),
    ),
    tags=_TAGS,
)
async def list_holding_wallets(access: TheAccess, caller: TheCaller) -> Response[Any]:
    """At most the 200 newest; those that count come first."""
    found = await list_holding(access, caller.workspace_id)
    return Response(HoldingWalletList(data=[_shape(wallet) for wallet in found]))


@post(
    "/api/holding-wallets/challenge",
    summary="Ask for a text that a wallet signs, to let its holdings count",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_MANAGE},
    responses=answers(WalletChallengeShape, "A text, good once and for this workspace", errors=_SIGNED_ERRORS),
    operation_class=taking(
        "Which wallet", {"address": ADDRESS_FIELD, "chain_id": CHAIN_FIELD}, required=("address", "chain_id")
    ),
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def ask_holding_wallet(request: AnyRequest, access: TheAccess, caller: TheCaller) -> Response[Any]:
    """The text names the workspace and says that it is no payment, no approval and no transfer."""
    address, chain_id = read_wallet(fields_of(await request.body(), ("address", "chain_id")))
    challenge = await begin_wallet(
        access,
        address,
        chain_id,
        visit=caller.visit,
        purpose=Purpose.HOLDING,
        session=caller.session,
        workspace_id=caller.workspace_id,
    )
    return Response(shown_challenge(challenge))


@post(
    "/api/holding-wallets/verify",
    summary="Answer it with the signature",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_MANAGE},
    responses=answers(
        HoldingWalletShape,
        "It counts from now on",
        errors=_SIGNED_ERRORS.plus(
            invalid_request="challenge_id is missing.",
            sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
            conflict="What this wallet holds counts for another workspace already.",
            chain_unavailable="This signature is not one of the address's own key, and nobody can ask chain 8453 about "
            "it: this gateway has no server for it.",
        ),
    ),
    operation_class=taking(
        "The signature",
        {"challenge_id": CHALLENGE_ID, "signature": SIGNATURE_FIELD},
        required=("challenge_id", "signature"),
    ),
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def answer_holding_wallet(request: AnyRequest, access: TheAccess, caller: TheCaller) -> Response[Any]:
    """A wallet counts for one workspace only. A text is used up by its first answer, right or wrong."""
    fields = fields_of(await request.body(), ("challenge_id", "signature"))
    challenge_id, signature = read_challenge_id(fields), read_signature_text(fields)
    return Response(_shape(await finish_holding(access, challenge_id, signature, caller=caller)))


@delete(
    "/api/holding-wallets/{wallet_id:str}",
    summary="Let a wallet's holdings count no more",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_MANAGE},
    responses=answers(
        HoldingWalletShape,
        "It counts no more",
        errors=_ERRORS.fresh().plus(not_found="No such wallet counts for this workspace."),
    ),
    status_code=200,
    tags=_TAGS,
)
async def unlink_holding_wallet(access: TheAccess, caller: TheCaller, wallet_id: FromPath[str]) -> Response[Any]:
    """Its row stays in the history; with a new signature it may be linked again, also elsewhere."""
    return Response(_shape(await unlink_holding(access, caller, wallet_id)))


def _shape(wallet: HoldingWallet) -> HoldingWalletShape:
    return HoldingWalletShape(
        wallet_id=show_short("holding", wallet.wallet_id),
        address=checksummed(wallet.address),
        chain_id=wallet.chain_id,
        linked_at=rfc3339(wallet.linked_at),
        linked_by=wallet.linked_by,
        unlinked_at=moment(wallet.unlinked_at),
    )


ROUTES: Final = (
    list_holding_wallets,
    ask_holding_wallet,
    answer_holding_wallet,
    unlink_holding_wallet,
)
