"""What handlers ask for by parameter: the parts, and the key that the request bears."""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from farebox.access.asking import require_caller, require_key_workspace
from farebox.access.depend import VERB, asked_of
from farebox.access.depend import providers_of as providers_of_access
from farebox.api.parts import Parts
from farebox.identity.model import KeyRecord

AnyRequest = Request[Any, Any, Any]
TheParts = NamedDependency[SkipValidation[Parts]]
TheKey = NamedDependency[SkipValidation[KeyRecord]]


def providers_of(parts: Parts) -> dict[str, Provide]:
    """`parts`, what all shells ask for (access/depend.py), and `key` for what keys and members read alike."""

    def the_parts() -> Parts:
        return parts

    async def the_key(request: AnyRequest) -> KeyRecord:
        asked = asked_of(request)
        if asked.bears_key or not asked.token:
            key = await parts.access.authenticate(asked.raw_headers, asked.peer)
            require_key_workspace(parts.access, asked, key)
            return key
        return (await require_caller(parts.access, asked, request.scope["route_handler"].opt[VERB])).key

    return {
        **providers_of_access(parts.access),
        "parts": Provide(the_parts, sync_to_thread=False, use_cache=True),
        "key": Provide(the_key),
    }
