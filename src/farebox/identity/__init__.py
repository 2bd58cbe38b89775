"""Who calls: workspaces, their API keys, and what each key may do."""
