"""OpenAI chat completions. Source: the public OpenAPI description and the types of the official SDK."""

from farebox.dialects.openai_chat.dialect import SURFACE, UPSTREAM

__all__ = ["SURFACE", "UPSTREAM"]
