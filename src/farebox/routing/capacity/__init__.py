"""Capacity: seats for calls in memory, over leases that workers share through PostgreSQL."""
