"""Who is asking, what they may do, and how they sign in: between the shells (api, console, admin) and identity."""
