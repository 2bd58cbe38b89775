"""Anthropic Messages. Source: the public API reference and the types of the official SDK."""

from farebox.dialects.anthropic_messages.dialect import SURFACE, UPSTREAM
from farebox.dialects.anthropic_messages.request import (
    COUNT_PATH,
    count_body,
    native_count_body,
    read_count_request,
)

__all__ = ["COUNT_PATH", "SURFACE", "UPSTREAM", "count_body", "native_count_body", "read_count_request"]
