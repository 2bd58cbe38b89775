"""The answer to "Describe what you got": enough in plain words to see that nothing was lost."""

import base64
import binascii
from collections.abc import Iterator

from farebox_sandbox.ask import Ask, Media, Part


def described(ask: Ask) -> str:
    """Roles, media parts with type and size, tools, and the length of the system's text."""
    media = [_media(part) for turn in ask.turns for part in media_parts(turn.parts)]
    system = sum(len(turn.text) for turn in ask.turns if turn.role in ("system", "developer"))
    return (
        f"Roles: {', '.join(turn.role for turn in ask.turns)}. "
        f"Media: {'; '.join(media) or 'none'}. "
        f"Tools: {', '.join(tool.name for tool in ask.tools) or 'none'}. "
        f"System text: {system} characters."
    )


def media_parts(parts: tuple[Part, ...]) -> Iterator[Part]:
    """Images, documents, audio and video, also those inside tool results."""
    for part in parts:
        if part.media is not None:
            yield part
        yield from media_parts(part.content)


def media_bytes(media: Media) -> bytes:
    """What the media is: the decoded content, or the text, URL or id itself. Bad base64 counts as text."""
    if media.source == "inline":
        try:
            return base64.b64decode(media.data.replace("-", "+").replace("_", "/") + "=" * (-len(media.data) % 4))
        except binascii.Error:
            pass
    return media.data.encode("utf-8", "surrogatepass")


def _media(part: Part) -> str:
    media = part.media
    if media is None:
        return ""
    if media.source in ("url", "file_id"):
        return f"{part.kind} by {media.source}"
    return f"{part.kind} {media.media_type or 'of no type'} of {len(media_bytes(media))} bytes"
