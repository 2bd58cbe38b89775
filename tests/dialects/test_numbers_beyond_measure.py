"""Numbers that no machine holds are the caller's fault, in every dialect."""

import pytest

from farebox.base.errors import Problem
from farebox.dialects.registry import SURFACES


@pytest.mark.parametrize("name", ["temperature", "top_p", "presence_penalty", "frequency_penalty"])
@pytest.mark.parametrize("path", SURFACES)
def test_a_number_beyond_all_measure_is_the_callers_fault_or_is_not_read(path: str, name: str) -> None:
    text = '"input":"hi"' if path == "/responses" else '"messages":[{"role":"user","content":"hi"}]'
    body = f'{{"model":"m",{text},"{name}":1{"0" * 400}}}'.encode()
    try:
        conversation = SURFACES[path].decode_request(SURFACES[path].read_request(body))
    except Problem as problem:
        assert problem.code == "invalid_request"
    else:
        assert name in conversation.unknown
