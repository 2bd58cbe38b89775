"""What handlers ask for by parameter: the parts, and the key that the request bears."""

from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from farebox.api.parts import Parts
from farebox.identity.model import KeyRecord

AnyRequest = Request[Any, Any, Any]
TheParts = NamedDependency[SkipValidation[Parts]]
TheKey = NamedDependency[SkipValidation[KeyRecord]]


def providers_of(parts: Parts) -> dict[str, Provide]:
    """`parts`, and `key` for those handlers that name it: the others are open to anybody."""

    def the_parts() -> Parts:
        return parts

    async def the_key(request: AnyRequest) -> KeyRecord:
        return await parts.authenticate(list(request.scope["headers"]))

    return {"parts": Provide(the_parts, sync_to_thread=False, use_cache=True), "key": Provide(the_key)}
