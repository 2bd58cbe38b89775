"""A small document for a simple JSON schema: what tool arguments and structured answers are made of."""

from collections.abc import Mapping
from typing import Any

from farebox_sandbox.errors import UpstreamError

FULL_DEPTH = 6  # deeper, only what the schema requires: a schema that refers to itself ends
MAX_DEPTH = 40  # below Python's recursion limit by far
MAX_VALUES = 10_000  # of one document: a schema can ask for exponentially many
MAX_STRING_CHARACTERS = 10_000  # `minLength` is the client's number

_FORMATS = {
    "date-time": "2030-01-01T00:00:00Z",
    "date": "2030-01-01",
    "time": "00:00:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example_of(schema: object) -> Any:
    """A JSON value for objects, arrays, strings, numbers, enums, consts, unions and local references.

    Raises UpstreamError 400 when the schema is not one.
    """
    try:
        return _Example(schema).value(schema, 0)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise UpstreamError(400, "Invalid schema.") from error


class _Example:
    def __init__(self, root: object) -> None:
        self._root = root
        self._values_left = MAX_VALUES

    def value(self, schema: object, depth: int) -> Any:
        self._values_left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._values_left < 0:
            return None
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        if "$ref" in schema:
            return self.value(self._resolve(schema["$ref"]), depth + 1)
        for union in ("anyOf", "oneOf", "allOf"):
            if schema.get(union):
                return self._first_of(schema[union], depth)
        return self._typed(schema, depth)

    def _first_of(self, options: list[Any], depth: int) -> Any:
        if depth > FULL_DEPTH and {"type": "null"} in options:
            return None
        return self.value(options[0], depth + 1)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        match _type_name(schema):
            case "object":
                properties = schema.get("properties") or {}
                names = properties if depth <= FULL_DEPTH else schema.get("required") or ()
                return {name: self.value(properties.get(name), depth + 1) for name in names}
            case "array":
                usual = 1 if depth <= FULL_DEPTH else 0
                items = schema.get("items") or {"type": "string"}
                count = min(int(schema.get("minItems", usual)), max(self._values_left, 0))
                return [self.value(items, depth + 1) for _ in range(count)]
            case "string":
                return _string(schema)
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return True
            case _:
                return None

    def _resolve(self, reference: str) -> object:
        target = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(step) if isinstance(target, Mapping) and step else target
        return target


def _type_name(schema: Mapping[str, Any]) -> object:
    name = schema.get("type", "object" if "properties" in schema else None)
    if isinstance(name, list):
        return next((one for one in name if one != "null"), "null")
    return name


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "sandbox")
    text = text.ljust(min(int(schema.get("minLength", 0)), MAX_STRING_CHARACTERS), "x")
    return text[: int(schema.get("maxLength", len(text)))]


def _number(schema: Mapping[str, Any]) -> Any:
    candidates: list[Any] = [1, 0]
    candidates += [schema[name] for name in ("minimum", "maximum") if name in schema]
    exclusive = (("exclusiveMinimum", 1), ("exclusiveMaximum", -1))
    candidates += [schema[name] + step for name, step in exclusive if name in schema]
    return next((one for one in candidates if _within(one, schema)), 0)


def _within(number: Any, schema: Mapping[str, Any]) -> bool:
    return bool(
        schema.get("minimum", number) <= number <= schema.get("maximum", number)
        and schema.get("exclusiveMinimum", number - 1) < number < schema.get("exclusiveMaximum", number + 1)
    )
