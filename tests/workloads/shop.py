"""A catalog of everything that is no conversation. Prices are easy to add up, and each class has one of its own."""

from tests.terms import TERMS

# In nano-USD: of a token that goes in (text, picture, sound), and of one that comes out.
TEXT_IN, IMAGE_IN, SOUND_IN, TEXT_OUT, IMAGE_OUT, SOUND_OUT = 1_000, 2_000, 3_000, 5_000, 7_000, 11_000
USUAL_PICTURE, LARGE_PICTURE, FINE_PICTURE = 40_000_000, 80_000_000, 120_000_000
CHARACTER, SECOND, REQUEST = 15_000, 100_000, 500_000

_TOKENS = 'input = "1", image_input = "2", audio_input = "3", output = "5", image_output = "7", audio_output = "11"'

MODELS: dict[str, tuple[str, str, str]] = {
    # name: workload and what the model can do, its price, the model at the provider
    "embed": ('workload = "embedding"\ncontext_tokens = 8_192', 'input = "1"', "embed-up"),
    "moderate": ('workload = "moderation"\ncontext_tokens = 8_192', 'input = "0", per_request = "0.0005"', "mod-up"),
    "moderate-tokens": (
        'workload = "moderation"\ncontext_tokens = 8_192\nmedia_ceiling_tokens = { image = 1_000 }',
        'input = "1"',
        "mod-tokens-up",
    ),
    "piece": ('workload = "image"\nmax_images = 4\nmedia_ceiling_tokens = { image = 10 }', "", "dall-e-up"),
    "drawn": (
        'workload = "image"\nmedia_ceiling_tokens = { image = 1_000 }\n'
        'image_output_ceiling_tokens = { "1024x1024/low" = 572, "1024x1024/medium" = 1_356, "1024x1024/high" = 4_460 }',
        _TOKENS,
        "drawn-up",
    ),
    "speak": ('workload = "audio"\nmax_characters = 2_000', 'per_million_characters = "15"', "speak-up"),
    "speak-tokens": (
        'workload = "audio"\ncontext_tokens = 2_000\naudio_output_tokens_per_character = 12', _TOKENS, "speak-tok-up"
    ),
    "speak-seconds": ('workload = "audio"', 'per_second_audio = "0.0001"', "speak-sec-up"),
    "hear": ('workload = "audio"\nmax_audio_seconds = 7_200', 'per_second_audio = "0.0001"', "whisper-up"),
    "hear-tokens": (
        'workload = "audio"\ncontext_tokens = 16_000\nmax_output_tokens = 2_000\nmax_audio_seconds = 1_500\n'
        "audio_input_tokens_per_second = 10",
        _TOKENS,
        "hear-tok-up",
    ),
    "chatty": ("context_tokens = 8_000\nmax_output_tokens = 100", 'input = "1", output = "5"', "chatty-up"),
}  # fmt: skip
VARIANTS = """[
    { variant = "1024x1024/standard", per_image = "0.04" },
    { variant = "1792x1024/standard", per_image = "0.08" },
    { variant = "1792x1024/hd", per_image = "0.12" },
]"""
PROVIDERS = {
    "plain": "",
    "second": "",
    "cancels": "cancel_stops_billing = true\n",
    "hasty": "first_byte_timeout_seconds = 0.5\nidle_timeout_seconds = 0.5\ntotal_timeout_seconds = 2.5\n",
}


def catalog_text(raw_url: str) -> str:
    """catalog.toml. Each model has a route to `plain`; `NAME:second` one more, `NAME:hasty`, `NAME:cancels` and
    `NAME:raw` or `NAME:raw-hasty` (an upstream of the test's own) only that one."""
    text = [TERMS, f'[providers.raw]\ndisplay_name = "raw"\nbase_url = "{raw_url}"\n']
    text.append(f'[providers.raw-hasty]\ndisplay_name = "raw"\nbase_url = "{raw_url}"\n{PROVIDERS["hasty"]}')
    for name, more in PROVIDERS.items():
        text.append(f'[providers.{name}]\ndisplay_name = "{name}"\nbase_url = "https://{name}.example/v1"\n')
        text.append(f'api_key_env = "FAREBOX_TEST_NO_SUCH_KEY"\n{more}')
    for name, (does, price, upstream) in MODELS.items():
        prices = f"price = {{ {price} }}" if price else f'price = {{ per_image = "0.04" }}\nprice_tiers = {VARIANTS}'
        prices += "\n" + prices.replace("price = ", "cost = ").replace("price_tiers = ", "cost_tiers = ")
        for provider in ("", ":second", ":hasty", ":cancels", ":raw", ":raw-hasty"):
            text.append(f'[models."{name}{provider}"]\ndisplay_name = "{name}"\n{does}\n')
            routes = {"": ("plain",), ":second": ("plain", "second")}.get(provider, (provider[1:],))
            for place, route in enumerate(routes):
                text.append(f'[routes."{route}/{name}{provider}"]\nprovider = "{route}"\n')
                last = f"{upstream}-2" if place else upstream + provider.replace(":", "-")
                text.append(
                    f'model = "{name}{provider}"\nupstream_model = "{last}"\npriority = {place + 1}\n{prices}\n'
                )
    return "\n".join(text)
