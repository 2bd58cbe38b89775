"""Video jobs: ordered, looked after, settled once, shown, fetched and deleted (docs/decisions/0013)."""
