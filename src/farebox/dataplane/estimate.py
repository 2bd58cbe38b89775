"""Usage by our own count, for answers whose provider did not say. Pure."""

from farebox.base.usage import Usage

# A published measure of text: models make one token of about four bytes of English, fewer bytes of most else.
BYTES_PER_TOKEN_FOR_CHARGES = 4
# The other side of the same estimate: what a provider may bill is taken high, so that a margin is never flattered.
BYTES_PER_TOKEN_FOR_COSTS = 2


def estimated_usage(size_bytes: int, delivered_bytes: int, *, bytes_per_token: int) -> Usage:
    """What a prompt and an answer of those sizes are taken for."""
    return Usage(
        input_tokens=-(-size_bytes // bytes_per_token),
        output_tokens=-(-delivered_bytes // bytes_per_token),
        requests=1,
    )
