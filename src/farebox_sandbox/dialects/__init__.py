"""How the sandbox reads and writes each text dialect. A module knows one dialect only."""
