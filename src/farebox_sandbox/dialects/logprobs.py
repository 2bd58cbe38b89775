"""Log probabilities: made up, but of the right tokens, and the same each time."""

import math
from typing import Any, NamedTuple

from farebox_sandbox.tokens import split_tokens

_STEP = 0.125  # exact in binary, so that JSON and streams agree to the last digit
_OTHERS = ("the", "fox", "and", "owl", "sat")


class TokenLogprob(NamedTuple):
    """A token, its natural logarithm of probability, and the likeliest tokens at its place, itself first."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...]


def logprobs_of(text: str, alternatives: int) -> list[TokenLogprob]:
    """One for each token of the text."""
    return [_of(token, alternatives) for token in split_tokens(text)]


def _of(token: str, alternatives: int) -> TokenLogprob:
    # By the token alone, so that a stream says the same however its text is cut.
    logprob = -_STEP * (ord(token[-1]) % 4 + 1)
    others = [(other, logprob - _STEP * number) for number, other in enumerate(_OTHERS, start=1) if other != token]
    return TokenLogprob(token, logprob, ((token, logprob), *others)[:alternatives])


def openai_logprobs(text: str, alternatives: int) -> list[dict[str, Any]]:
    """OpenAI's list of token objects, the same in chat completions and Responses."""
    return [
        {**_shown(one.token, one.logprob), "top_logprobs": [_shown(*other) for other in one.top]}
        for one in logprobs_of(text, alternatives)
    ]


def _shown(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode("utf-8", "replace"))}


def average(found: list[TokenLogprob]) -> float:
    """The mean, 0 for no token."""
    return math.fsum(one.logprob for one in found) / len(found) if found else 0.0
