"""One model for each upstream dialect, all played by the sandbox, at the same price."""

from tests.terms import TERMS

UPSTREAMS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")

_ENTRY = """
[providers."{name}"]
display_name = "{name}"
base_url     = "https://provider.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
dialects     = ["{name}"]

[models."{name}"]
display_name           = "{name}"
context_tokens         = 200_000
max_output_tokens      = 8_192
media_ceiling_tokens   = {{ image = 1_000, file = 2_000, audio = 2_000 }}
server_tool_ceilings   = {{ web_search = 5 }}

[routes."{name}/{name}"]
cost  = {{ input = "0.50", cached_input = "0.05", output = "2.50", per_thousand_searches = "10" }}
price = {{ input = "1.00", cached_input = "0.10", output = "5.00", per_thousand_searches = "20" }}
"""

CATALOG = TERMS + "".join(_ENTRY.format(name=name) for name in UPSTREAMS)
