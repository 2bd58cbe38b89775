"""A small catalog to vary in tests."""

from farebox.catalog.toml_file import CatalogFile, parse_catalog
from tests.terms import TERMS

PROVIDER = """
[providers.acme]
display_name = "Acme"
base_url = "https://api.acme.example/v1/"
api_key_env = "ACME_API_KEY"
"""
MODEL = """
[models.tiny]
display_name = "Tiny"
context_tokens = 8_000
max_output_tokens = 1_000
"""
ROUTE = """
[routes."acme/tiny"]
"""
COST = 'cost = { input = "1.00", output = "5.00" }\n'


def small_catalog(*, price: str = "margin_bps = 2500", head: str = "", tail: str = "") -> CatalogFile:
    """One provider, model and route; `head` goes before the tables, `price` into the route, `tail` to the end."""
    return parse_catalog(f"{head}\n{TERMS}{PROVIDER}{MODEL}{ROUTE}{COST}{price}\n{tail}", file="test.toml")
