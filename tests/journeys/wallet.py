"""A wallet in the browser: announces itself by EIP-6963 and signs with a real key, which never enters the page."""

from typing import Any, Final

from coincurve import PrivateKey
from Crypto.Hash import keccak
from playwright.async_api import BrowserContext

# Announces on request and at once, as wallets do; what it is asked goes to the test, which has the key.
_SCRIPT: Final = """
(() => {
  const request = async ({ method, params }) => {
    const answer = await window.testWalletRequest(method, params ?? []);
    // EIP-1193: what its user declines is an error with this code.
    if (answer === null) throw Object.assign(new Error("User rejected the request."), { code: 4001 });
    return answer;
  };
  const provider = { request };
  const icon = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/%3E";
  const info = Object.freeze({ uuid: "00000000-0000-4000-8000-000000000000", name: "NAME", icon, rdns: "RDNS" });
  const announce = () => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


class TestWallet:
    """One account. `refuses`: its user declines. `asked`: methods that pages called; `texts`: what was signed."""

    __test__ = False

    def __init__(self, *, name: str = "MetaMask", rdns: str = "io.metamask", chain_id: int = 1) -> None:
        self._key = PrivateKey()
        self.address = "0x" + _keccak(self._key.public_key.format(compressed=False)[1:])[-20:].hex()
        self.name = name
        self.rdns = rdns
        self.chain_id = chain_id
        self.refuses = False
        self.asked: list[str] = []
        self.texts: list[str] = []

    async def enter(self, context: BrowserContext) -> None:
        """Be there on every page that this profile opens from now on."""
        await context.expose_binding("testWalletRequest", self._request)
        await context.add_init_script(_SCRIPT.replace("NAME", self.name).replace("RDNS", self.rdns))

    async def _request(self, source: Any, method: str, params: list[Any]) -> Any:
        del source
        self.asked.append(method)
        if method in ("eth_requestAccounts", "eth_accounts"):
            return [self.address]
        if method == "eth_chainId":
            return hex(self.chain_id)
        assert method == "personal_sign", f"a sign-in page asked the wallet for {method}"
        assert params[1].lower() == self.address
        if self.refuses:
            return None
        return self._sign(bytes.fromhex(params[0].removeprefix("0x")))

    def _sign(self, text: bytes) -> str:
        self.texts.append(text.decode())
        digest = _keccak(b"\x19Ethereum Signed Message:\n" + str(len(text)).encode() + text)
        signature = self._key.sign_recoverable(digest, hasher=None)
        return "0x" + (signature[:64] + bytes([27 + signature[64]])).hex()
