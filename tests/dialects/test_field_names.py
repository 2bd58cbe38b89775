"""Names of fields: one that decides about the price may not stand there a second time in other letters, because some
providers read names without regard to case and would take the second value."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from farebox.base.errors import Problem
from farebox.dialects.openai_media.images import read_images
from farebox.dialects.openai_media.speech import read_speech
from farebox.dialects.openai_media.texts import read_embeddings, read_moderation
from farebox.dialects.registry import SURFACES
from farebox.dialects.request import DECIDING, read_fields
from farebox.dialects.videos.request import read_video_request

BODY = {
    "model": "m",
    "prompt": "x",
    "input": "x",
    "max_tokens": 5,
    "seconds": "4",
    "messages": [{"role": "user", "content": "hi"}],
}
READERS: dict[str, Callable[[bytes], object]] = {
    **{name: surface.read_request for name, surface in SURFACES.items()},
    "embeddings": read_embeddings,
    "moderation": read_moderation,
    "images": read_images,
    "speech": read_speech,
    "videos": lambda body: read_video_request("application/json", body),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["Model", "MODEL", "N", "Input", "Prompt", "\u017fize", "\u017ftream", "Max_Tokens"])
def test_a_second_value_in_other_letters_is_refused(reader: str, name: str) -> None:
    body = {field: value for field, value in BODY.items() if (reader, field) != ("/responses", "prompt")}
    READERS[reader](msgspec.json.encode(body))
    with pytest.raises(Problem, match="small letters") as caught:
        READERS[reader](msgspec.json.encode({**body, name: "dearer"}))
    assert (caught.value.code, caught.value.param) == ("invalid_request", name.casefold())


def test_names_that_decide_nothing_pass_in_any_letters() -> None:
    fields: dict[str, Any] = {"topK": 1, "X-Trace": 2, "Metadata": {}, **dict.fromkeys(DECIDING, 1)}
    assert set(read_fields(msgspec.json.encode(fields))) == set(fields)
