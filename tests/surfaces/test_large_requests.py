"""Large requests: pictures and long conversations go through whole, translated or not."""

import base64
import os
from typing import Any

import pytest

from tests.gateway import Customer
from tests.surfaces.shop import UPSTREAMS
from tests.surfaces.test_money import PATHS, body_of


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("model", UPSTREAMS)
async def test_a_picture_of_megabytes_arrives(customer: Customer, surface: str, model: str) -> None:
    await customer.credit("100")
    data = base64.b64encode(os.urandom(2_000_000)).decode()
    parts: dict[str, Any] = {
        "chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
        "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
    }
    text = {"type": "input_text" if surface == "responses" else "text", "text": "Describe what you got"}
    body = body_of(surface, model, "")
    turns = body["input" if surface == "responses" else "messages"]
    turns[0]["content"] = [text, parts[surface]]
    async with customer.post(PATHS[surface], body) as response:
        answer = await response.text()
        assert response.status == 200, answer
    assert "image/png" in answer and "2000000" in answer, answer
