"""Farebox: a self-hostable prepaid gateway for AI models."""

__version__ = "0.1.0"
