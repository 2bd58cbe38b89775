"""Reading a Messages request: what it asks for, how large it is, and the two edits that it gets on its way upstream."""

import msgspec

from farebox.dialects.anthropic_messages.foreign import without_foreign_thoughts
from farebox.dialects.anthropic_messages.size import size_of
from farebox.dialects.port import Edits
from farebox.dialects.request import Fields, Request, boolean_of, model_of, output_limit_of, raw, read_fields, text_of

PATH = "/messages"
COUNT_PATH = "/messages/count_tokens"
OUTPUT_LIMIT_FIELD = "max_tokens"

_encode = msgspec.json.Encoder().encode


def read_request(body: bytes) -> Request:
    """Parse and measure. Raises Problem (`invalid_request`, `invalid_max_tokens`).

    A missing `max_tokens` is allowed: the gateway knows a limit of its own.
    """
    fields = read_fields(body)
    model = model_of(fields)
    return Request(
        dialect="anthropic_messages",
        fields=fields,
        model=model,
        stream=boolean_of(fields, "stream"),
        wants_usage=True,
        output_limit=output_limit_of(fields, OUTPUT_LIMIT_FIELD),
        choices=1,
        # Fast mode is sold at prices of its own, as a tier: it is reported as one, too.
        service_tier="fast" if text_of(fields, "speed") == "fast" else text_of(fields, "service_tier"),
        size=size_of(fields),
    )


def native_body(request: Request, edits: Edits) -> bytes:
    """The body as it goes to a provider of the same dialect: every field as it came and where it stood, but for the
    model's id there, the output limit where the client set none, and thoughts that other providers sealed."""
    fields = _edited(request, edits)
    if request.output_limit is None:
        fields[OUTPUT_LIMIT_FIELD] = raw(edits.output_limit)
    return _encode(fields)


def read_count_request(body: bytes) -> Request:
    """The body of `/messages/count_tokens`: a request without an output. Raises Problem as `read_request`."""
    return read_request(body)


def native_count_body(request: Request, edits: Edits) -> bytes:
    """A request to count, edited like one that is answered, but without an output limit."""
    return _encode(_edited(request, edits))


def _edited(request: Request, edits: Edits) -> Fields:
    fields = {**request.fields, "model": raw(edits.model)}
    messages = without_foreign_thoughts(fields)
    if messages is not None:
        fields["messages"] = messages
    return fields


def count_body(tokens: int) -> bytes:
    """The answer of `/messages/count_tokens`."""
    return _encode({"input_tokens": tokens})
