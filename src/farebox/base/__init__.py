"""Money, ids, clock, errors and limits: pure, and known to every other room."""
