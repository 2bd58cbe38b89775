"""What the short names on a receipt mean, in words for customers. The rules stand in `docs/reference/settlement.md`."""

from collections.abc import Mapping
from typing import Final

EVIDENCE: Final[Mapping[str, str]] = {
    "A": "The provider reported the usage with its answer.",
    "B": "The usage was looked up at the provider after the call.",
    "C": "We counted or estimated what was delivered, because the provider reported no usage. Never above the hold.",
    "D": "No evidence of use, so nothing is charged.",
}

RULES: Final[Mapping[str, str]] = {
    "provider_usage": "You pay for the usage that the provider reported.",
    "client_left_provider_usage": "The client left early; you pay for the usage that the provider reported.",
    "client_left_estimated": "The client left early; you pay for what was delivered until then, by a low estimate.",
    "client_left_undelivered": "The client left before anything was delivered; you pay nothing.",
    "usage_missing_estimated": "The provider reported no usage; you pay for what was delivered, by a low estimate.",
    "counted_units": "You pay for what we counted: pictures in the answer, characters of the text that was spoken.",
    "usage_malformed_estimated": (
        "The provider's report of usage made no sense; you pay for what was delivered, by a low estimate."
    ),
    "lost_provider_usage": "The gateway was interrupted; you pay for the usage that the provider reported.",
    "lost_delivered_estimated": (
        "The gateway was interrupted; you pay for what was delivered until then, by a low estimate."
    ),
    "never_dispatched": "The gateway was interrupted before the provider was asked; you pay nothing.",
    "lost_undelivered": "The gateway was interrupted before anything was delivered; you pay nothing.",
    "upstream_rejected": "The provider found fault with the request; you pay nothing, the request counts.",
    "upstream_limited": "The provider was at its limits; you pay nothing and the request does not count.",
    "upstream_failed": "The provider failed; you pay nothing and the request does not count.",
    "upstream_timeout": "The provider took too long; you pay nothing and the request does not count.",
    "upstream_cut": "The provider's answer broke off; you pay nothing and the request does not count.",
    "job_completed": "The film is made; you pay the price that was fixed when it was ordered.",
    "job_failed": "The provider could not make the film; you pay nothing and the request does not count.",
    "job_expired": "The provider did not tell in time what became of the film; you pay nothing.",
    "job_lost": "The gateway was interrupted while it ordered the film; you pay nothing.",
    "gateway_stopped": "The gateway was stopped; you pay nothing and the request does not count.",
}
