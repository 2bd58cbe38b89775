"""The directives: what a test or a demo may ask of the sandbox, in the request body or ahead of it."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct

MAX_PAUSE_SECONDS = 3600  # longer than any timeout that a gateway has
MAX_COUNT = 1_000_000  # chunks, tokens, attempts: far above what a model answers
MAX_OVERSIZE_BYTES = 256 * 2**20  # a client that reads this much has no limit of its own
MAX_TEXT_CHARACTERS = 2**20
MAX_CITATIONS = 100
MAX_HEADERS = 100
MAX_HEADER_CHARACTERS = 8192
MAX_FAULT_SETS = 1000  # one for each model that a test keys faults by

Seconds = Annotated[float, Meta(ge=0, le=MAX_PAUSE_SECONDS)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+$", max_length=MAX_HEADER_CHARACTERS)]
HeaderValue = Annotated[str, Meta(pattern=r"^[\x20-\x7e]*$", max_length=MAX_HEADER_CHARACTERS)]


class JobFailure(Struct, frozen=True, forbid_unknown_fields=True):
    """How a job ends; `filtered` makes it the refusal of a content filter, where the API tells them apart."""

    message: Text = "The sandbox was asked to fail this job."
    code: Text = "internal_error"
    filtered: bool = False


class Directives(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything off by default. README.md explains each field, and a test compares the two lists."""

    # what is answered
    text: Text | None = None
    words: Count | None = None
    chunks: Positive | None = None
    preamble: Text | None = None
    refusal: Text | None = None
    echo: bool = False
    citations: Annotated[int, Meta(ge=0, le=MAX_CITATIONS)] = 0
    redacted_thinking: bool = False
    cached_tokens: Count = 0
    cache_write_tokens: Count = 0
    cache_write_1h_tokens: Count = 0
    service_tier: Text | None = None
    # jobs
    job_seconds: Seconds = 1.0
    job_fails: JobFailure | None = None
    job_stuck: bool = False
    job_expires_seconds: Seconds | None = None
    # when
    delay_seconds: Seconds = 0.0
    first_byte_delay_seconds: Seconds = 0.0
    chunk_delay_seconds: Seconds = 0.0
    idle_after_chunks: Count = 1
    idle_seconds: Seconds = 0.0
    slow_reader: Seconds = 0.0
    # instead of an answer
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    error_message: Text | None = None
    error_code: Text | None = None
    retry_after_seconds: Seconds | None = None
    redirect: HeaderValue | None = None
    drop_before_headers: bool = False
    # a broken answer
    cut_at_byte: Annotated[int, Meta(ge=0, le=MAX_OVERSIZE_BYTES)] | None = None
    garbage: bool = False
    oversize_bytes: Annotated[int, Meta(ge=0, le=MAX_OVERSIZE_BYTES)] = 0
    error_mid_stream: Count | None = None
    no_done: bool = False
    no_finish: bool = False
    finish: Text | None = None
    wrong_content_type: HeaderValue | None = None
    # wrong or unusual usage
    no_usage: bool = False
    usage: Any = UNSET
    usage_every_chunk: bool = False
    # an unusual but lawful answer
    crlf: bool = False
    split_bytes: Positive | None = None
    keepalive_comments: bool = False
    unknown_event: bool = False
    extra_headers: Annotated[dict[HeaderName, HeaderValue], Meta(max_length=MAX_HEADERS)] = {}

    @property
    def disturbs_bytes(self) -> bool:
        """Whether what is written differs from what was composed."""
        return self.crlf or self.split_bytes is not None or self.cut_at_byte is not None

    @property
    def paces_chunks(self) -> bool:
        """Whether the chunks of a stream must be written one by one."""
        return bool(self.chunk_delay_seconds or self.idle_seconds or self.error_mid_stream is not None)


NO_DIRECTIVES = Directives()


def read_directives(fields: dict[str, Any]) -> Directives:
    """The directives of a JSON object; raises msgspec.ValidationError for an unknown name or a wrong value."""
    return msgspec.convert(fields, Directives)


Which = tuple[str | None, str | None]
"""Whom a set is for: a model and an account, None for any."""


class _FaultSet(Struct):
    fields: dict[str, Any]
    times: int | None


class FaultBook:
    """Directives set ahead of requests: for every model (None) or for one, of every account or of one. Nearer ones win
    field by field: every model < this model < this account < this model of this account < the request's own."""

    def __init__(self) -> None:
        self._sets: dict[Which, _FaultSet] = {}

    def put(
        self, model: str | None, fields: dict[str, Any], *, account: str | None = None, times: int | None = None
    ) -> None:
        """Replace a set. After `times` requests it removes itself. Raises msgspec.ValidationError."""
        read_directives(fields)
        if len(self._sets) >= MAX_FAULT_SETS and (model, account) not in self._sets:
            raise msgspec.ValidationError(f"more than {MAX_FAULT_SETS} fault sets: DELETE /sandbox/faults first")
        self._sets[model, account] = _FaultSet(fields, times)

    def delete(self, model: str | None, account: str | None = None) -> None:
        """Remove the set of one model and account, or with neither every set."""
        if model is None and account is None:
            self._sets.clear()
        else:
            self._sets.pop((model, account), None)

    def listing(self) -> list[dict[str, Any]]:
        return [
            {"model": model, "account": account, "times": one.times, "faults": one.fields}
            for (model, account), one in self._sets.items()
        ]

    @property
    def read_pause_seconds(self) -> float:
        """`slow_reader` acts before the body, and so the model, is known: only the set for every model can ask it."""
        common = self._sets.get((None, None))
        return float(common.fields.get("slow_reader", 0)) if common else 0.0

    def directives(self, model: str, own: dict[str, Any] | None, *, account: str = "") -> Directives:
        """What holds for one request. Raises msgspec.ValidationError."""
        if not self._sets and not own:
            return NO_DIRECTIVES
        found: dict[str, Any] = {}
        for which in ((None, None), (model, None), (None, account), (model, account)):
            found |= self._take(which)
        return read_directives(found | (own or {}))

    def _take(self, which: Which) -> dict[str, Any]:
        one = self._sets.get(which)
        if one is None:
            return {}
        if one.times is not None:
            one.times -= 1
            if one.times <= 0:
                del self._sets[which]
        return one.fields
