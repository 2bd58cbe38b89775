"""The `farebox` command. Each reads its arguments, calls one function of `wiring`, and shows what it returns."""

from farebox.cli.main import main

__all__ = ["main"]
