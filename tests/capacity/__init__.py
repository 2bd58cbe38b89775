"""Capacity: shares, seats, leases and budgets."""
