"""/api/auth/wallet: signing in with a wallet, linking one, proving oneself again with one."""

from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.openapi.spec import OpenAPIType, Schema

from farebox.access.asking import open_session_of, refuse_cross_site
from farebox.access.depend import TheAccess, TheAsked, TheVisit
from farebox.access.wallet_sign_in import WalletChallenge, begin_wallet, finish_wallet
from farebox.api.auth_email import CHALLENGE_ID, PURPOSE, SessionShape, read_challenge_id, read_purpose, signed_in
from farebox.api.bodies import fields_of, read_text, refuse, value_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import OPEN_ERRORS, answers, taking
from farebox.base.clock import rfc3339
from farebox.identity.people.ethereum import MAX_CHAIN_ID, MAX_SIGNATURE_BYTES

_TAGS: Final = ["signing in"]
_ADDRESS_CHARS: Final = 42
_MAX_SIGNATURE_CHARS: Final = 2 * MAX_SIGNATURE_BYTES + 2
# The longest signature with what stands around it; of a longer one it is said that it is too long.
MAX_BODY_BYTES: Final = 40_000

ADDRESS_FIELD: Final = Schema(type=OpenAPIType.STRING, description="The wallet's address, in any capitals")
CHAIN_FIELD: Final = Schema(
    type=OpenAPIType.INTEGER,
    minimum=1,
    maximum=MAX_CHAIN_ID,
    description="The chain that the wallet is on now; a wallet that is a contract is asked there",
)
SIGNATURE_FIELD: Final = "What `personal_sign` gave for the message: 0x and hexadecimal digits"
_ERRORS: Final = OPEN_ERRORS.with_body().plus(
    invalid_request="address is not an address: 0x and 40 hexadecimal digits.",
    not_signed_in="Nobody is signed in.",
    second_factor_required="You have a second factor: this needs your passkey.",
    step_up_required="This needs a proof of who you are that is not older than 15 minutes.",
    too_many_attempts="This was tried too often. Try again in 5 minutes.",
)


class WalletChallengeShape(msgspec.Struct, frozen=True, kw_only=True):
    """`message`: what the wallet is to sign as it is, with `personal_sign`; good once."""

    challenge_id: str
    message: str
    expires_at: str


def shown_challenge(challenge: WalletChallenge) -> WalletChallengeShape:
    """As the API shows it."""
    return WalletChallengeShape(
        challenge_id=str(challenge.challenge_id), message=challenge.message, expires_at=rfc3339(challenge.expires_at)
    )


def read_wallet(fields: dict[str, bytes]) -> tuple[str, int]:
    """`address` and `chain_id`. Raises Problem(`invalid_request`)."""
    for name in ("address", "chain_id"):
        if name not in fields:
            raise refuse(name, "is missing")
    chain_id = value_of(fields["chain_id"], "chain_id")
    if not isinstance(chain_id, int) or isinstance(chain_id, bool):
        raise refuse("chain_id", f"is a whole number from 1 to {MAX_CHAIN_ID}")
    return read_text(fields["address"], "address", least=1, most=_ADDRESS_CHARS), chain_id


def read_signature_text(fields: dict[str, bytes]) -> str:
    """`signature`, of which a contract may want none: then it is "0x". Raises Problem(`invalid_request`)."""
    if "signature" not in fields:
        raise refuse("signature", "is missing")
    return read_text(fields["signature"], "signature", least=0, most=_MAX_SIGNATURE_CHARS)


@post(
    "/api/auth/wallet/challenge",
    summary="Ask for a text that a wallet signs",
    security=[],
    opt={"open": "signing in"},
    responses=answers(WalletChallengeShape, "A text, good once", errors=_ERRORS),
    operation_class=taking(
        "Which wallet, and what for",
        {"address": ADDRESS_FIELD, "chain_id": CHAIN_FIELD, "purpose": PURPOSE},
        required=("address", "chain_id"),
    ),
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def ask_wallet(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """Wallets that are known here and those that are not are answered alike. link and step_up are for whoever is signed
    in, and link wants a fresh proof."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body(), ("address", "chain_id", "purpose"))
    address, chain_id = read_wallet(fields)
    purpose = read_purpose(fields)
    session = await open_session_of(access, asked)
    challenge = await begin_wallet(access, address, chain_id, visit=visit, purpose=purpose, session=session)
    return Response(shown_challenge(challenge))


@post(
    "/api/auth/wallet/verify",
    summary="Answer it with the signature",
    security=[],
    opt={"open": "signing in"},
    responses=answers(
        SessionShape,
        "Signed in, or linked",
        errors=_ERRORS.plus(
            invalid_request="challenge_id is missing.",
            sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
            conflict="This wallet signs in to another account. Unlink it there first, or use another one.",
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
async def answer_wallet(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """The answer's cookie is the session, under a new token. A text is used up by its first answer, right or wrong."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body(), ("challenge_id", "signature"))
    challenge_id, signature = read_challenge_id(fields), read_signature_text(fields)
    session = await open_session_of(access, asked)
    opened = await finish_wallet(access, challenge_id, signature, visit=visit, session=session)
    return signed_in(access, opened)


ROUTES: Final = (ask_wallet, answer_wallet)
