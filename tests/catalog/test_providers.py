"""Providers: profiles and what wins over them, how a key is sent, and what dialects are told."""

import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Provider, Route, auth_of, profile_of
from farebox.catalog.profiles import PROFILES
from farebox.catalog.rows import decode_body, encode_body
from farebox.catalog.toml_file import parse_catalog
from farebox.dialects.port import Profile
from farebox.identity.model import SCOPES


def provider(text: str) -> Provider:
    return parse_catalog(f"[providers.p]\n{text}", file="test.toml").providers["p"]


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_a_whole_provider(name: str) -> None:
    found = provider(f'profile = "{name}"')
    assert found.base_url == PROFILES[name]["base_url"]
    local = found.base_url.startswith("http://127.0.0.1")
    assert (found.api_key_env is None) == local
    assert found.cancel_stops_billing == local


def test_every_key_of_the_providers_own_table_wins_over_the_profile() -> None:
    own = (
        'display_name = "Ours"\nbase_url = "https://eu.groq.example/v1"\napi_key_env = "EU_KEY"\n'
        'dialects = ["openai_responses"]\noutput_limit_field = "max_tokens"\nunsupported = []\nauth = "x-api-key"'
    )
    found = provider(f'profile = "groq"\n{own}')
    assert (found.display_name, found.base_url, found.api_key_env) == ("Ours", "https://eu.groq.example/v1", "EU_KEY")
    assert (found.dialects, found.unsupported, auth_of(found)) == (("openai_responses",), (), "x-api-key")
    assert found.output_limit_field == "max_tokens"


def test_an_unknown_profile_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(OperatorError, match=r"test\.toml: providers\.p\.profile: there is no such profile") as caught:
        provider('profile = "grok"')
    assert all(name in caught.value.fix for name in PROFILES)


def test_a_vendors_key_is_not_lent_to_another_address() -> None:
    with pytest.raises(OperatorError, match="the key of its profile") as caught:
        provider('profile = "openai"\nbase_url = "https://elsewhere.example/v1"')
    assert "api_key_env" in caught.value.fix
    assert provider('profile = "openai"\nbase_url = "https://api.openai.com/v1/"').api_key_env == "OPENAI_API_KEY"
    assert provider('profile = "vllm"\nbase_url = "http://localhost:9000/v1"').api_key_env is None


@pytest.mark.parametrize(
    ("line", "message", "fix"),
    [
        ("dialects = []", "providers.p.dialects: is empty", "openai_chat"),
        ('dialects = ["gemini", "gemini"]', "providers.p.dialects: names a dialect twice", "first"),
        ('dialects = ["openai"]', "providers.p.dialects: invalid enum", "anthropic_messages"),
        ('auth = "basic"', "providers.p.auth: invalid enum", "x-goog-api-key"),
        ('video_dialect = "sora"', "providers.p.video_dialect: invalid enum", "openai or veo"),
        ('unsupported = ["sed"]', "providers.p.unsupported[0]: is not the name of a feature", "Did you mean seed?"),
        ('unsupported = ["seed", "qqq"]', "providers.p.unsupported[1]: is not the name", "logit_bias"),
    ],
)
def test_a_fault_in_a_provider_names_the_place_and_the_fix(line: str, message: str, fix: str) -> None:
    with pytest.raises(OperatorError) as caught:
        provider(f'profile = "ollama"\n{line}')
    assert message in caught.value.message
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("dialects", "auth"),
    [
        ('["openai_chat", "anthropic_messages"]', "bearer"),
        ('["openai_responses"]', "bearer"),
        ('["anthropic_messages", "openai_chat"]', "x-api-key"),
        ('["gemini"]', "x-goog-api-key"),
    ],
)
def test_the_key_is_sent_as_the_first_dialect_wants_it(dialects: str, auth: str) -> None:
    found = provider(f'profile = "ollama"\ndialects = {dialects}')
    assert auth_of(found) == auth


def test_dialects_are_told_how_the_provider_differs() -> None:
    found = provider('profile = "mistral"\nunsupported = ["seed", "part:document"]\ndeveloper_role = true')
    route = Route(route_id="p/m", model_id="m", provider_id="p", upstream_model="m", unsupported=("adaptive_thinking",))
    assert profile_of(found, route) == Profile(
        output_limit_field="max_tokens",
        stream_usage=False,
        developer_role=True,
        unsupported=frozenset({"seed", "part:document", "adaptive_thinking"}),
    )


def test_a_provider_that_was_stored_before_dialects_speaks_chat() -> None:
    stored = '{"provider_id":"p","display_name":"P","base_url":"https://p.example","api_key_env":null}'
    found = decode_body("provider", stored)
    assert isinstance(found, Provider)
    assert (found.dialects, auth_of(found), found.unsupported) == (("openai_chat",), "bearer", ())
    assert decode_body("provider", encode_body(found)) == found


def test_every_workload_needs_a_scope_that_keys_can_have() -> None:
    assert all(scopes and scopes <= set(SCOPES) for scopes in SCOPES_OF_WORKLOAD.values())
