"""What is kept of calls and shown of money: receipts, usage, balances, readiness. Reads; only `call.py` writes."""
