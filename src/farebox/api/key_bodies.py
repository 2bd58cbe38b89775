"""The bodies of the key API as `/api/openapi.json` describes them."""

from typing import Final

from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema

from farebox.api.describe import body_schema, taking
from farebox.api.limits import LIMITS_SCHEMA
from farebox.api.policy import POLICY_SCHEMA
from farebox.identity.checks import (
    DEFAULT_OVERLAP_SECONDS,
    MAX_LABEL_CHARS,
    MAX_MODEL_CHARS,
    MAX_MODELS,
    MAX_NAME_CHARS,
    MAX_NETWORKS,
    MAX_OVERLAP_SECONDS,
)
from farebox.identity.model import SCOPES, Labels

_NULL: Final = OpenAPIType.NULL
_TEXT: Final = OpenAPIType.STRING

_LABEL: Final = Schema(type=[_TEXT, _NULL], max_length=MAX_LABEL_CHARS)
_FIELDS: Final = {
    "name": Schema(type=_TEXT, min_length=1, max_length=MAX_NAME_CHARS, description="What people call it"),
    "labels": body_schema(
        "Whom calls are counted for. A label that is not named stays as it is; null takes it off.",
        dict.fromkeys(Labels.__struct_fields__, _LABEL),
    ),
    "scopes": Schema(
        type=OpenAPIType.ARRAY,
        items=Schema(type=_TEXT, enum=list(SCOPES)),
        min_items=1,
        max_items=len(SCOPES),
        description="At most those of the managing key; of a new key all of these but `keys.manage`, if it is not said",
    ),
    "models": Schema(
        type=[OpenAPIType.ARRAY, _NULL],
        items=Schema(type=_TEXT, min_length=1, max_length=MAX_MODEL_CHARS),
        min_items=1,
        max_items=MAX_MODELS,
        description="Ids of models; null: all",
    ),
    "ip_allow": Schema(
        type=[OpenAPIType.ARRAY, _NULL],
        items=Schema(type=_TEXT, min_length=1),
        min_items=1,
        max_items=MAX_NETWORKS,
        description="Addresses or networks like `192.0.2.0/24` from which it may be used; null: any",
    ),
    "expires_at": Schema(
        type=[_TEXT, _NULL],
        format=OpenAPIFormat.DATE_TIME,
        description="RFC 3339, in the future; null: never",
    ),
}
_LIMITS: Final = Schema(any_of=[LIMITS_SCHEMA, Schema(type=_NULL)])
_RULE: Final = Schema(any_of=[POLICY_SCHEMA, Schema(type=_NULL)])

NEW_KEY_BODY: Final = taking(
    "A new key. What is not said is as of the managing key, which gives no more than it has.",
    {**_FIELDS, "limits": _LIMITS, "policy": _RULE},
    required=("name",),
    example={
        "name": "sales bot",
        "labels": {"department": "sales"},
        "scopes": ["chat.completions", "models.read"],
        "limits": {"month": {"usd": "50.00"}},
        "expires_at": "2099-12-31T00:00:00Z",
    },
)
KEY_CHANGE_BODY: Final = taking(
    "What shall be different; what is not named stays. Limits and policy have addresses of their own.",
    _FIELDS,
    example={"name": "sales bot 2", "labels": {"customer": "acme"}},
)
ROLL_BODY: Final = taking(
    "For how long the former key works on",
    {
        "overlap_seconds": Schema(
            type=OpenAPIType.INTEGER, minimum=0, maximum=MAX_OVERLAP_SECONDS, default=DEFAULT_OVERLAP_SECONDS
        )
    },
    is_required=False,
    example={"overlap_seconds": 3600},
)
