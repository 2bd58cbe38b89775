"""OpenAI responses, without stored state. Source: the public OpenAPI description and the types of the official SDK."""

from farebox.dialects.openai_responses.dialect import SURFACE, UPSTREAM

__all__ = ["SURFACE", "UPSTREAM"]
