"""The JSON API: balance, usage, receipts, setup, health and metrics. Start with `app.py`."""
