"""A complete checklist for catalogs of tests, as a table of catalog.toml. It goes before the other tables."""

TERMS = """
[terms]
region          = "global"
retention       = "standard"
resale          = "approved"
contract_review = "approved"
logging         = "metadata_only"
sla             = "none"
support_owner   = "operator"
key_scopes      = ["chat.completions", "responses", "messages", "embeddings", "images", "videos", "audio"]
budget_cap      = "none"
"""
