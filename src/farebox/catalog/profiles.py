"""What known vendors are like, as data: `profile = "groq"` in catalog.toml starts from a row of this table, and every
key of the provider's own table wins over it. The gateway itself knows no vendor by name.

A row says what the vendor's public documents said when it was written. `unsupported` is for what a vendor refuses or
ignores of its dialect; what a model of it cannot do is not said here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Row = Mapping[str, Any]

# Names of features that may stand in `unsupported`, besides those that begin with a prefix of the second list.
FEATURES: Final = (
    *("seed", "top_k", "top_p", "temperature", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs"),
    *("stop", "metadata", "user", "message_name", "image_detail", "cache_control", "cache_key", "citations"),
    *("document_context", "tool_strict", "parallel_tool_calls", "allowed_tools", "thinking_budget"),
    *("reasoning_effort", "reasoning_summary", "foreign_reasoning", "verbosity", "service_tier", "answer_form"),
    *("modalities", "n", "prediction", "adaptive_thinking", "encrypted_reasoning", "reasoning", "tool_choice"),
    *("custom_tools",),
)
FEATURE_PREFIXES: Final = ("server_tool:", "part:", "field:", "event:")

PROFILES: Final[Mapping[str, Row]] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference
        # Responses first: only there does thinking survive from turn to turn.
        "openai": {
            "display_name": "OpenAI",
            "base_url": "https://api.openai.com/v1",
            "api_key_env": "OPENAI_API_KEY",
            "dialects": ["openai_responses", "openai_chat"],
            "output_limit_field": "max_completion_tokens",
            "developer_role": True,
        },
        # https://docs.anthropic.com/en/api/messages
        "anthropic": {
            "display_name": "Anthropic",
            "base_url": "https://api.anthropic.com/v1",
            "api_key_env": "ANTHROPIC_API_KEY",
            "dialects": ["anthropic_messages"],
        },
        # https://ai.google.dev/api/generate-content and https://ai.google.dev/gemini-api/docs/video
        "google": {
            "display_name": "Google",
            "base_url": "https://generativelanguage.googleapis.com/v1beta",
            "api_key_env": "GEMINI_API_KEY",
            "dialects": ["gemini"],
            "video_dialect": "veo",
        },
        # https://api-docs.deepseek.com/api/create-chat-completion
        "deepseek": {
            "display_name": "DeepSeek",
            "base_url": "https://api.deepseek.com/v1",
            "api_key_env": "DEEPSEEK_API_KEY",
            "unsupported": [
                *("seed", "logit_bias", "parallel_tool_calls", "metadata", "user", "service_tier"),
                *("verbosity", "prediction", "cache_key", "image_detail"),
            ],
        },
        # https://docs.mistral.ai/api/endpoint/chat; fields that it does not know are an error 422, `stream_options`
        # and `max_completion_tokens` among them, and streams tell their usage unasked.
        "mistral": {
            "display_name": "Mistral",
            "base_url": "https://api.mistral.ai/v1",
            "api_key_env": "MISTRAL_API_KEY",
            "stream_usage": False,
            "unsupported": [
                *("seed", "logit_bias", "logprobs", "metadata", "user", "message_name", "service_tier"),
                *("verbosity", "cache_key", "reasoning_effort", "foreign_reasoning"),
            ],
        },
        # https://console.groq.com/docs/openai: logprobs, logit_bias and names of messages are an error 400.
        "groq": {
            "display_name": "Groq",
            "base_url": "https://api.groq.com/openai/v1",
            "api_key_env": "GROQ_API_KEY",
            "output_limit_field": "max_completion_tokens",
            "unsupported": [
                *("logprobs", "logit_bias", "message_name", "presence_penalty", "frequency_penalty", "metadata"),
                *("verbosity", "prediction", "cache_key"),
            ],
        },
        # https://docs.x.ai/docs/api-reference: penalties are an error for models that reason.
        "xai": {
            "display_name": "xAI",
            "base_url": "https://api.x.ai/v1",
            "api_key_env": "XAI_API_KEY",
            "dialects": ["openai_chat", "openai_responses"],
            "output_limit_field": "max_completion_tokens",
            "unsupported": [
                *("presence_penalty", "frequency_penalty", "logit_bias", "metadata", "service_tier"),
                *("verbosity", "prediction"),
            ],
        },
        # https://docs.together.ai/docs/inference/openai-compatibility: `logprobs` is a number there, not a switch.
        "together": {
            "display_name": "Together AI",
            "base_url": "https://api.together.ai/v1",
            "api_key_env": "TOGETHER_API_KEY",
            "unsupported": [
                *("logprobs", "metadata", "user", "service_tier", "verbosity", "prediction", "cache_key"),
                *("parallel_tool_calls", "message_name"),
            ],
        },
        # https://openrouter.ai/docs/api-reference/chat-completion: what its own providers lack, it leaves out itself.
        "openrouter": {
            "display_name": "OpenRouter",
            "base_url": "https://openrouter.ai/api/v1",
            "api_key_env": "OPENROUTER_API_KEY",
        },
        # https://docs.vllm.ai/en/stable/serving/online_serving.html: a request ends when its connection does.
        "vllm": {
            "display_name": "vLLM",
            "base_url": "http://127.0.0.1:8000/v1",
            "cancel_stops_billing": True,
            "unsupported": ["user", "metadata", "service_tier", "verbosity", "prediction", "cache_key"],
        },
        # https://docs.ollama.com/api/openai-compatibility
        "ollama": {
            "display_name": "Ollama",
            "base_url": "http://127.0.0.1:11434/v1",
            "cancel_stops_billing": True,
            "unsupported": [
                *("logit_bias", "user", "metadata", "service_tier", "verbosity", "prediction", "cache_key"),
                *("parallel_tool_calls", "message_name", "image_detail"),
            ],
        },
    }
)
