"""What the data plane counts. Labels are closed lists: no key, workspace, prompt or answer ever becomes one."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one process; `prometheus_client`'s multiprocess mode adds up the workers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.calls = Counter("farebox_calls_total", "Calls that ended, by rule", ["model", "rule"], registry=registry)
        self.refusals = Counter("farebox_refusals_total", "Requests refused, by code", ["code"], registry=registry)
        self.attempts = Counter(
            "farebox_attempts_total", "Upstream attempts, by outcome", ["provider", "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "farebox_call_seconds", "From request to settlement", registry=registry, buckets=_SECONDS
        )
        self.open_calls = Gauge(
            "farebox_open_calls", "Calls in progress", registry=registry, multiprocess_mode="livesum"
        )
        self.spooled = Counter("farebox_spooled_total", "Settlements kept on disk for later", registry=registry)
        # Looking a child up by its labels costs more than counting; models × rules are few.
        self._children: dict[tuple[Counter, str, str], Counter] = {}

    def _count(self, counter: Counter, first: str, second: str) -> None:
        child = self._children.get((counter, first, second))
        if child is None:
            child = self._children[counter, first, second] = counter.labels(first, second)
        child.inc()

    def refused(self, code: str) -> None:
        """A request was answered with an error of ours."""
        self.refusals.labels(code).inc()

    def attempted(self, *, provider_id: str, outcome: str) -> None:
        """An attempt began to answer, or failed."""
        self._count(self.attempts, provider_id, outcome)

    def ended(self, *, model_id: str, rule: str, seconds: float) -> None:
        """A call was settled or released."""
        self._count(self.calls, model_id, rule)
        self.seconds.observe(seconds)
