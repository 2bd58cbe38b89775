"""People: how they sign in, their sessions, and what they prove themselves with."""
