"""Rate limits of keys and workspaces: requests and tokens per minute, and calls under way at once, over all processes.

A limit is never exceeded by what is let through; each process may leave a block (a twentieth) of it unused.
See docs/reference/rate-limits.md.
"""

from farebox.routing.rates.gate import UNLIMITED, RateGate, RateTicket
from farebox.routing.rates.leases import forget_past_rates
from farebox.routing.rates.telling import RateLimited, headers_of

__all__ = ["UNLIMITED", "RateGate", "RateLimited", "RateTicket", "forget_past_rates", "headers_of"]
