"""A real Ethereum node for tests, on a free port; it ends with the process that started it, however that ends.

with run_anvil(chain_id=1) as chain:
    wallet = chain.deploy("OwnedWallet", word_of(owner))
    chain.send(wallet, call_data("rotate(address)", word_of(next_owner)), sender=owner)
"""

import contextlib
import json
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from farebox.identity.people.ethereum import keccak256

HERE: Final = Path(__file__).parent
VALIDATOR: Final = HERE.parents[1] / "src/farebox/identity/people/contracts/ValidateSignature.sol"
_ANVIL: Final = HERE / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
_LISTENING: Final = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_PATIENCE_SECONDS: Final = 20.0


@cache
def compiled() -> dict[str, str]:
    """The creation code of every contract of the tests and of the validator, in hexadecimal; compiled once."""
    sources = {path.name: path.read_text() for path in (*sorted((HERE / "contracts").glob("*.sol")), VALIDATOR)}
    command = ["node", str(HERE / "compile.js")]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"make .venv/.npm installs the compiler\n{done.stderr}"
    return dict(json.loads(done.stdout))


def word_of(value: str | int | bytes) -> bytes:
    """An address, a number or 32 bytes as one word of the ABI."""
    if isinstance(value, bytes):
        return value.rjust(32, b"\0")
    return (int(value, 16) if isinstance(value, str) else value).to_bytes(32)


def call_data(signature: str, *words: bytes) -> bytes:
    """A call of a function whose parameters are words: `call_data("rotate(address)", word_of(owner))`."""
    return keccak256(signature.encode())[:4] + b"".join(words)


class Chain:
    """A running node. Its accounts are unlocked and rich; each transaction is mined at once."""

    def __init__(self, chain_id: int, port: int) -> None:
        self.chain_id = chain_id
        self.url = f"http://127.0.0.1:{port}"
        self.account = str(self.ask("eth_accounts")[0])

    def ask(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC question. An error fails the test."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as response:
            answer = json.load(response)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def deploy(self, contract: str, *words: bytes) -> str:
        """The address of a new contract; `words` are what its constructor takes."""
        receipt = self._transact({"data": f"0x{compiled()[contract]}{b''.join(words).hex()}"})
        return str(receipt["contractAddress"])

    def send(self, to: str, data: bytes, *, sender: str | None = None) -> None:
        """A transaction of the node's own account, or of anybody: here it needs no key."""
        if sender is not None:
            self.ask("anvil_impersonateAccount", sender)
            self.ask("anvil_setBalance", sender, hex(10**18))
        self._transact({"from": sender or self.account, "to": to, "data": f"0x{data.hex()}"})

    def call(self, to: str, data: bytes) -> bytes:
        """What a contract answers."""
        return bytes.fromhex(self.ask("eth_call", {"to": to, "data": f"0x{data.hex()}"}, "latest")[2:])

    def has_code(self, address: str) -> bool:
        """Whether there is a contract."""
        return bool(self.ask("eth_getCode", address, "latest") != "0x")

    def _transact(self, transaction: dict[str, str]) -> Any:
        sent = self.ask("eth_sendTransaction", {"from": self.account, "gas": hex(5_000_000), **transaction})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (receipt := self.ask("eth_getTransactionReceipt", sent)) is None:
            assert time.monotonic() < deadline, "the transaction was not mined"
            time.sleep(0.005)
        assert receipt["status"] == "0x1", receipt
        return receipt


@contextlib.contextmanager
def run_anvil(*, chain_id: int) -> Iterator[Chain]:
    """A node of its own. Start it in the main thread: it dies with the thread that started it."""
    assert _ANVIL.exists(), "make .venv/.npm installs the node"
    command = ["setpriv", "--pdeathsig", "KILL", str(_ANVIL), "--port", "0", "--chain-id", str(chain_id)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            yield Chain(chain_id, _port(process, output))
        finally:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], output: IO[str]) -> int:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        output.seek(0)
        text = output.read()
        found = _LISTENING.search(text)
        if found is not None:
            return int(found[1])
        assert process.poll() is None, text
        time.sleep(0.01)
    raise TimeoutError("anvil did not start")
