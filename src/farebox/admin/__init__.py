"""Operators' pages, behind platform roles and a second factor."""
