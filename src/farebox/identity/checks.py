"""What a key may be given, whoever asks for it. Whether the one who asks may give that much is the caller's to know."""

from collections.abc import Iterable

from farebox.base.addresses import Network, read_network
from farebox.base.errors import OperatorError
from farebox.identity.model import SCOPES, KeyRecord

MAX_NAME_CHARS = 200
# As the table has it: a word or a few, to count by.
MAX_LABEL_CHARS = 100
# Every call of such a key looks through all of them.
MAX_NETWORKS = 100
# More names than any catalog has models.
MAX_MODELS = 1_000
MAX_MODEL_CHARS = 200
# Keys of one workspace that work at the same time: one for each person and program of a large company.
MAX_WORKING_KEYS = 10_000
MAX_OVERLAP_SECONDS = 30 * 86_400
# A day: time to put the new key everywhere without hurry.
DEFAULT_OVERLAP_SECONDS = 86_400


class KeyFault(OperatorError):
    """What was asked of a key cannot be. `param`: which part of the request, as its fields are called everywhere."""

    def __init__(self, message: str, fix: str, *, param: str) -> None:
        super().__init__(message, fix)
        self.param = param


def check_key(record: KeyRecord) -> None:
    """Raises KeyFault unless a key may be stored like that."""
    _check_text("name", record.name, MAX_NAME_CHARS)
    for label in ("department", "project", "customer"):
        _check_text(label, getattr(record.labels, label), MAX_LABEL_CHARS)
    unknown = sorted(record.scopes - set(SCOPES))
    if unknown:
        raise KeyFault(f"there is no scope {unknown[0]!r}", f"choose among {', '.join(SCOPES)}", param="scopes")
    models = record.allowed_models or frozenset()
    if len(models) > MAX_MODELS:
        raise KeyFault(f"a key names at most {MAX_MODELS:,} models", "name fewer, or allow all", param="models")
    for model in models:
        _check_text("models", model, MAX_MODEL_CHARS)
    if record.ip_allow is not None and not 0 < len(record.ip_allow) <= MAX_NETWORKS:
        fix = "name at least one network, or allow all addresses"
        raise KeyFault(f"a key names 1 to {MAX_NETWORKS} networks", fix, param="ip_allow")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation as people write them, each once. Raises KeyFault."""
    try:
        return tuple(dict.fromkeys(read_network(text.strip()) for text in texts))
    except ValueError as error:
        raise KeyFault(str(error), "name networks or single addresses", param="ip_allow") from None


def _check_text(param: str, text: str, most: int) -> None:
    if len(text) > most or not text.isprintable():
        raise KeyFault(
            f"{param} is text of at most {most} plain characters", "write it shorter, on one line", param=param
        )
