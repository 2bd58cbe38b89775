"""GET /api/webhooks: what a receiver needs to know that a webhook is ours."""

import msgspec
from litestar import get

from farebox.api.depend import TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS
from farebox.base.signing import show_signing_key, signing_key
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.identity.roles import Verb


class WebhooksShape(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is the workspace's own, as libraries for Standard Webhooks take it; null where webhooks are off."""

    enabled: bool
    secret: str | None
    object: str = "webhooks"


@get(
    "/api/webhooks",
    summary="Whether there are webhooks, and this workspace's secret",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MEMBERS_ERRORS.fresh(),
)
async def show_webhooks(parts: TheParts, key: TheKey) -> WebhooksShape:
    """For keys with the scope `videos` or `keys.manage`, and for members who manage keys."""
    _require_scope(key)
    if parts.webhook_secret is None:
        return WebhooksShape(enabled=False, secret=None)
    secret = show_signing_key(signing_key(parts.webhook_secret, key.workspace_id))
    return WebhooksShape(enabled=True, secret=secret)


def _require_scope(key: KeyRecord) -> None:
    if "keys.manage" not in key.scopes:
        require_scope(key, "videos")
