"""Reading a chat request: what it asks for, its size, and the three edits on its way upstream."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.request import native_body, read_request
from farebox.dialects.port import Edits, Profile
from farebox.dialects.request import Request

PROFILE = Profile()
MESSAGES = [{"role": "user", "content": "hi"}]


def read(**fields: Any) -> Request:
    return read_request(msgspec.json.encode({"model": "m", "messages": MESSAGES, **fields}))


def upstream(request: Request, profile: Profile = PROFILE) -> dict[str, Any]:
    return dict(msgspec.json.decode(native_body(request, Edits("up", 9, profile))))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True, [], {}])
def test_an_output_limit_is_a_positive_whole_number(name: str, value: Any) -> None:
    with pytest.raises(Problem) as caught:
        read(**{name: value})
    assert (caught.value.code, caught.value.param) == ("invalid_max_tokens", name)


NO_REQUESTS: list[tuple[str, list[Any]]] = [
    ("model", ["", None, 5, ["m"]]),
    ("messages", [[], None, "hi", {}]),
    ("stream", ["yes", 1, {}]),
    ("n", [0, -1, 1.5, "2", True]),
    ("service_tier", [5]),
]

NO_MESSAGES: list[Any] = ["hi", None, 5, []]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        *(({name: value}, name) for name, values in NO_REQUESTS for value in values),
        *(({"messages": [MESSAGES[0], second]}, "messages[1]") for second in NO_MESSAGES),
    ],
)
def test_what_decides_the_price_must_make_sense(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Problem) as caught:
        read(**fields)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b'"x"', b"{", b"\xff", b"null", b"{}" * 2, b'{"a":' + b"[" * 9_999])
def test_a_body_is_one_json_object(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_request(body)
    assert caught.value.code == "invalid_request"


def test_the_larger_of_two_output_limits_counts_and_both_go_up() -> None:
    request = read(max_tokens=5, max_completion_tokens=7)
    assert request.output_limit == 7
    sent = upstream(request)
    assert (sent["max_tokens"], sent["max_completion_tokens"]) == (5, 7)


def test_a_missing_output_limit_goes_up_under_the_providers_name() -> None:
    assert upstream(read())["max_tokens"] == 9
    sent = upstream(read(max_tokens=None), Profile(output_limit_field="max_completion_tokens"))
    assert sent["max_completion_tokens"] == 9 and "max_tokens" not in sent


def test_usage_is_asked_for_in_streams_only_and_only_where_it_is_understood() -> None:
    assert upstream(read(stream=True))["stream_options"] == {"include_usage": True}
    assert upstream(read(stream=True, stream_options={"include_usage": False, "x": 1}))["stream_options"] == {
        "include_usage": True,
        "x": 1,
    }
    assert "stream_options" not in upstream(read(stream=True), Profile(stream_usage=False))
    assert "stream_options" not in upstream(read())


def test_everything_else_passes_byte_for_byte() -> None:
    body = (
        b'{"model":"m","max_tokens":1.0e0,"x":{"b" : 1.50,"a":1e2,"a":2},"messages":[ {"role":"user",'
        b'"content":"\\u0041","cache_control":{"type":"ephemeral"}}],"y":12345678901234567890.125,"z":null,"w":"\\ud83d\\ude00"}'
    )
    body = body.replace(b"1.0e0", b"7")
    sent = native_body(read_request(body), Edits("up", 9, Profile()))
    assert sent == body.replace(b'"model":"m"', b'"model":"up"')


def test_characters_count_text_names_tool_schemas_and_answer_schemas() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    schema = {"type": "json_object"}
    plain = read().size
    assert (plain.text_chars, plain.text_bytes) == (6, 6)
    size = read(tools=tools, response_format=schema).size
    assert size.text_chars == 6 + len(msgspec.json.encode(tools)) + len(msgspec.json.encode(schema))
    assert size.has_tools and not plain.has_tools
    assert read(messages=[{"role": "user", "content": "é😀"}]).size.text_bytes == 4 + 6


def test_media_is_counted_apart_from_text() -> None:
    parts = [
        {"type": "text", "text": "abc"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000}},
        {"type": "input_audio", "input_audio": {"data": "B" * 500, "format": "wav"}},
        {"type": "file", "file": {"file_data": "C" * 100}},
    ]
    size = read(messages=[{"role": "user", "content": parts}]).size
    assert size.media == {"image": 1, "audio": 1, "file": 1}
    assert size.media_bytes == 1_022 + 500 + 100
    assert size.text_chars == 4 + 3


def test_a_search_that_the_provider_runs_is_named() -> None:
    assert read(web_search_options={}).size.server_tools == ("web_search",)
    assert read(web_search_options=None).size.server_tools == () == read().size.server_tools


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image_url", "url", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)
_body = st.dictionaries(
    st.sampled_from(
        ["model", "messages", "stream", "stream_options", "n", "max_tokens", "tools", "response_format", "service_tier"]
    ),
    _json | st.sampled_from(["m", True, 1, MESSAGES]),
)


@given(st.binary(max_size=60) | _body.map(msgspec.json.encode))
def test_no_body_fails_with_anything_but_a_problem(body: bytes) -> None:
    try:
        request = read_request(body)
    except Problem as problem:
        assert problem.entry.status == 400
        return
    sent = native_body(request, Edits("up", 9, Profile()))
    assert read_request(sent).model == "up"


@given(st.binary(min_size=1, max_size=30), st.sampled_from(["messages", "tools", "x", "model"]))
def test_broken_bytes_inside_a_field_are_a_problem_or_pass(junk: bytes, name: str) -> None:
    fields = {"model": b'"m"', "messages": b'[{"role":"user","content":"hi"}]'} | {name: b'"' + junk + b'"'}
    body = b"{" + b",".join(b'"%s":%s' % (key.encode(), value) for key, value in fields.items()) + b"}"
    try:
        read_request(body)
    except Problem as problem:
        assert problem.entry.status == 400
