"""Gemini's log probabilities as OpenAI's token objects."""

from typing import Any


def token_objects(result: Any) -> list[dict[str, Any]] | None:
    """The chosen tokens with their alternatives; None for a result that cannot be read."""
    if not isinstance(result, dict):
        return None
    chosen, tops = result.get("chosenCandidates") or [], result.get("topCandidates") or []
    if not isinstance(chosen, list) or not isinstance(tops, list):
        return None
    tops = tops + [None] * (len(chosen) - len(tops))
    objects = []
    for candidate, top in zip(chosen, tops, strict=False):
        others = top.get("candidates") or [] if isinstance(top, dict) else []
        entries = [_entry(other) for other in (candidate, *others)] if isinstance(others, list) else [None]
        if None in entries:
            return None
        entry, *alternatives = entries
        objects.append({**(entry or {}), "top_logprobs": alternatives})
    return objects


def _entry(candidate: Any) -> dict[str, Any] | None:
    """One token. A token that is a piece of a character has no text of its own, so its bytes are not known."""
    if not isinstance(candidate, dict):
        return None
    token, logprob = candidate.get("token", ""), candidate.get("logProbability", 0.0)
    if not isinstance(token, str) or not isinstance(logprob, int | float) or isinstance(logprob, bool):
        return None
    return {"token": token, "logprob": logprob, "bytes": None if "�" in token else list(token.encode())}
