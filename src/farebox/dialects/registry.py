"""The dialects, by name and by the path of their surface. The only module that knows all of them."""

from collections.abc import Mapping
from typing import Final

from farebox.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from farebox.dialects.canonical.parts import DialectName
from farebox.dialects.port import Surface, Upstream

CHAT: Final[Surface] = openai_chat.SURFACE
RESPONSES: Final[Surface] = openai_responses.SURFACE
MESSAGES: Final[Surface] = anthropic_messages.SURFACE

SURFACES: Final[Mapping[str, Surface]] = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/messages": MESSAGES,
}
UPSTREAMS: Final[Mapping[DialectName, Upstream]] = {
    "openai_chat": openai_chat.UPSTREAM,
    "openai_responses": openai_responses.UPSTREAM,
    "anthropic_messages": anthropic_messages.UPSTREAM,
    "gemini": gemini.UPSTREAM,
}
