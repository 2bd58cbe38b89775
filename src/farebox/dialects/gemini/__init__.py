"""Google Gemini `generateContent`, towards providers only. Source: the public API reference and the types of the
official `google-genai` package."""

from farebox.dialects.gemini.dialect import UPSTREAM

__all__ = ["UPSTREAM"]
