"""As much of JSON Schema as the API's own description uses: whether a value fits, and values that do. An unknown word
of a schema fails the test, so that nothing is taken for checked that is not."""

from typing import Any

from hypothesis import strategies as st

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
# Said for people, or said again by what the tests look at otherwise.
_WORDS = {"title", "description", "examples", "default", "format"}

_junk_text = st.text(max_size=20) | st.sampled_from(
    ["\0", "\u202e", "𝕏", "null", "../..", "'; DROP TABLE api_key; --", "x" * 9_999]
)
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _junk_text
junk = st.recursive(
    _scalars | st.integers(10**18, 10**60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_junk_text, inner, max_size=4),
    max_leaves=8,
)
"""Any JSON."""


def problems(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """Where the value does not fit."""
    if "$ref" in schema:
        return problems(value, _resolved(schema, document), document, at)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            tried = [problems(value, one, document, at) for one in schema[word]]
            return [] if [] in tried else [f"{at} fits none: {tried}"]
    known = {"type", "properties", "required", "additionalProperties", "items", "enum", "const"}
    known |= {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"} | _WORDS
    assert set(schema) <= known, schema.keys() - known
    found = [] if _is_type(value, schema) else [f"{at} is no {schema['type']}: {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is none of {schema['enum']}: {value!r}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{at} is not {schema['const']!r}: {value!r}")
    if isinstance(value, dict):
        found += _of_object(value, schema, document, at)
    if isinstance(value, list) and "items" in schema:
        found += [
            one for n, item in enumerate(value) for one in problems(item, schema["items"], document, f"{at}[{n}]")
        ]
    return found


def _of_object(value: dict[str, Any], schema: dict[str, Any], document: dict[str, Any], at: str) -> list[str]:
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{at} lacks {name}" for name in schema.get("required", []) if name not in value]
    for name, item in value.items():
        if name in properties:
            found += problems(item, properties[name], document, f"{at}.{name}")
        elif isinstance(extra, dict):
            found += problems(item, extra, document, f"{at}.{name}")
        elif extra is False:
            found.append(f"{at} has {name}")
    return found


def _is_type(value: Any, schema: dict[str, Any]) -> bool:
    named = schema.get("type")
    names = [named] if isinstance(named, str) else named
    if names is None:
        return True
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    found: Any = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def values_of(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit, and now and then some that do not."""
    return st.one_of(_fitting(schema, document), _fitting(schema, document), junk)


def _fitting(schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return values_of(_resolved(schema, document), document)
    if "anyOf" in schema:
        return st.one_of([values_of(one, document) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    named = schema.get("type")
    names = [named] if isinstance(named, str) else named
    return junk if names is None else st.one_of([_of_type(name, schema, document) for name in names])


def _of_type(name: str, schema: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name == "object":
        properties = {key: values_of(one, document) for key, one in schema.get("properties", {}).items()}
        required = {key: properties.pop(key) for key in schema.get("required", [])}
        return st.fixed_dictionaries(required, optional=properties)
    if name == "array":
        return st.lists(values_of(schema.get("items", {}), document), max_size=4)
    if name == "string":
        texts = st.text(min_size=schema.get("minLength", 0), max_size=min(20, schema.get("maxLength", 20)))
        known = ["127.0.0.0/8", "::/0", "2099-01-01T00:00:00Z", "2026-12-24T00:00:00+14:00", "5.00", "1e-9"]
        return texts | st.sampled_from(known)
    if name == "integer":
        return st.integers(schema.get("minimum", -(10**6)), schema.get("maximum", 10**6))
    simple: dict[str, st.SearchStrategy[Any]] = {
        "number": st.floats(0, 100, allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return simple[name]
