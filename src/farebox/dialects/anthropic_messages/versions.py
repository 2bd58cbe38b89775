"""The versions of the API, as the header `anthropic-version` names them.

A relayed request is judged by Anthropic. A translated one is judged here, by the version that its client speaks, so
that a program behaves the same whatever provider serves it. Source: Anthropic's page on versions of October 2026.
"""

from typing import Any, Final

from farebox.base.errors import Problem
from farebox.dialects.request import Request, value_of

FIRST: Final = "2023-06-01"
SECOND: Final = "2026-10-21"
KNOWN: Final = (FIRST, SECOND)
_REMOVED_FIELDS: Final = ("temperature", "top_p", "top_k")


def version_of(request: Request) -> str:
    """The version that the client speaks. Raises Problem `invalid_request` for one that is not known."""
    version = next((value for name, value in request.headers if name.lower() == "anthropic-version"), FIRST)
    if version not in KNOWN:
        message = f"`anthropic-version` must be one of: {', '.join(KNOWN)}."
        raise Problem("invalid_request", message, param="anthropic-version", facts={"known_versions": list(KNOWN)})
    return version


def refuse_removed(request: Request, messages: list[Any]) -> None:
    """What the second version no longer takes. Raises Problem `invalid_request`."""
    for name in _REMOVED_FIELDS:
        if value_of(request.fields, name) is not None:
            message = f"`{name}` is not part of version {SECOND}. Leave it out, or send version {FIRST}."
            raise Problem("invalid_request", message, param=name)
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(content := message.get("content"), list):
            continue
        for place, block in enumerate(content):
            if isinstance(block, dict):
                _refuse_block(message.get("role"), block, f"messages.{number}.content.{place}")


def _refuse_block(role: Any, block: dict[str, Any], place: str) -> None:
    if role == "assistant" and block.get("type") == "document":
        message = f"`{place}`: assistant messages hold no documents in version {SECOND}. Send them in a user message."
        raise Problem("invalid_request", message, param=place)
    if role == "user" and block.get("type") == "text" and block.get("citations"):
        message = f"`{place}.citations`: texts of users have no citations in version {SECOND}. Leave them out."
        raise Problem("invalid_request", message, param=f"{place}.citations")
