"""Which JSON schemas Gemini holds an answer to. Source: `responseJsonSchema` in the API reference.

A whole JSON schema may be sent, for answers as for the parameters of functions: neither field is parsed into Google's
own `Schema` type, whose unknown keywords refuse a request.
"""

from typing import Any, Final

_SCHEMAS_BY_NAME: Final = frozenset(("properties", "$defs"))
_SCHEMAS: Final = frozenset(("prefixItems", "anyOf", "oneOf"))
_SCHEMA: Final = frozenset(("items", "additionalProperties"))
_HELD: Final = frozenset(
    (
        "$id",
        "$ref",
        "$anchor",
        "type",
        "format",
        "enum",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "required",
        "propertyOrdering",
    )
)
# They tell something and demand nothing.
_REMARKS: Final = frozenset(
    (
        "title",
        "description",
        "$schema",
        "$comment",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
    )
)


def holds_to(schema: Any) -> bool:
    """Whether every constraint in a schema is one that Gemini keeps."""
    open_schemas = [schema]
    while open_schemas:
        found = open_schemas.pop()
        if not isinstance(found, dict):
            continue
        for keyword, value in found.items():
            if keyword in _SCHEMAS_BY_NAME and isinstance(value, dict):
                open_schemas += value.values()
            elif keyword in _SCHEMAS and isinstance(value, list):
                open_schemas += value
            elif keyword in _SCHEMA:
                open_schemas.append(value)
            elif keyword not in _HELD and keyword not in _REMARKS:
                return False
    return True
