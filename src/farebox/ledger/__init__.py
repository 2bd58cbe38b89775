"""Accounts, holds, limits and entries: the double-entry ledger. Knows no model, token or HTTP.

Read `lifecycle.py` (the states of a hold), then `rules.py` (`decide`), then
`batcher.py` (how a decision becomes durable).
"""
