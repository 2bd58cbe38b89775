"""Reading a Responses request: what it asks for, how large it is, and the few edits that it gets on its way upstream.

Responses are served without stored state: nothing of a conversation lies here or at a provider after the answer.
"""

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.openai_responses.size import size_of
from farebox.dialects.port import Edits
from farebox.dialects.request import (
    Fields,
    Request,
    boolean_of,
    model_of,
    output_limit_of,
    raw,
    read_fields,
    text_of,
    value_of,
)

OUTPUT_LIMIT_FIELD = "max_output_tokens"
_INSTEAD = (
    "Send `store: false` and the whole conversation in `input`; ask for "
    '`include: ["reasoning.encrypted_content"]` to carry reasoning from turn to turn.'
)
# Fields that need something stored, and what is said of them.
_STATEFUL = {
    "previous_response_id": "Responses are not stored here, so there is none to continue. ",
    "conversation": "Conversations are not stored here. ",
    "prompt": "Prompt templates are not stored here; send their text in `instructions` and `input`. ",
}
_encode = msgspec.json.Encoder().encode


def read_request(body: bytes) -> Request:
    """Parse and measure. Raises Problem (`invalid_request`, `invalid_max_tokens`)."""
    fields = read_fields(body)
    model = model_of(fields)
    _refuse_state(fields)
    return Request(
        dialect="openai_responses",
        fields=fields,
        model=model,
        stream=boolean_of(fields, "stream"),
        wants_usage=True,
        output_limit=output_limit_of(fields, OUTPUT_LIMIT_FIELD),
        choices=1,
        service_tier=text_of(fields, "service_tier"),
        size=size_of(fields),
    )


def _refuse_state(fields: Fields) -> None:
    if boolean_of(fields, "store"):
        raise Problem("invalid_request", "Responses are not stored here. " + _INSTEAD, param="store")
    for name, reason in _STATEFUL.items():
        if value_of(fields, name) is not None:
            raise Problem("invalid_request", reason + _INSTEAD, param=name)
    if boolean_of(fields, "background"):
        message = "A response that nobody waits for would have to be stored. Send `background: false`, and stream it."
        raise Problem("invalid_request", message, param="background")


def native_body(request: Request, edits: Edits) -> bytes:
    """The body as it goes to a provider of the same dialect: as it came, but for the model's id there, the output limit
    where the client set none, and `store: false` where it did not say so, because OpenAI stores by default."""
    fields = dict(request.fields)
    fields["model"] = raw(edits.model)
    if request.output_limit is None:
        fields[OUTPUT_LIMIT_FIELD] = raw(edits.output_limit)
    if value_of(fields, "store") is None:
        fields["store"] = raw(False)
    return _encode(fields)
