"""Webhooks of video jobs: a customer's own server is told that a job is over (docs/decisions/0013)."""
