"""Upstream accounts: their credentials, their state, and one HTTP client for all of them."""
