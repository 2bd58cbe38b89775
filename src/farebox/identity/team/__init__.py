"""Who belongs to a workspace, who is invited to it, and who has a role in the whole installation."""
