"""How many requests are answered at once, by account and by model: what tests of limits compare with."""

from msgspec import Struct

from farebox_sandbox.calls import MAX_COUNTED_MODELS, MAX_MODEL_CHARACTERS, Call


class Gauge(Struct):
    """`open` now, `most` at once and `calls` altogether since the last reset."""

    open: int = 0
    most: int = 0
    calls: int = 0


class Load:
    """A request counts from the moment its account or model is known until its answer is written or broken off."""

    def __init__(self) -> None:
        self._accounts: dict[str, Gauge] = {}
        self._models: dict[str, Gauge] = {}
        self._entered: dict[int, list[Gauge]] = {}

    def enter_account(self, call: Call, account: str) -> None:
        self._enter(call, self._accounts, account)

    def enter_model(self, call: Call, model: str) -> None:
        self._enter(call, self._models, model[:MAX_MODEL_CHARACTERS])

    def leave(self, call: Call) -> None:
        for gauge in self._entered.pop(id(call), ()):
            gauge.open -= 1

    def reset(self) -> None:
        """Forget all but what is open now."""
        for gauges in (self._accounts, self._models):
            for name, gauge in list(gauges.items()):
                if gauge.open:
                    gauge.most = gauge.calls = gauge.open
                else:
                    del gauges[name]

    def listing(self) -> dict[str, dict[str, Gauge]]:
        return {"accounts": self._accounts, "models": self._models}

    def _enter(self, call: Call, gauges: dict[str, Gauge], name: str) -> None:
        gauge = gauges.get(name)
        if gauge is None:
            if len(gauges) >= MAX_COUNTED_MODELS:
                self.reset()
            gauge = gauges[name] = Gauge()
        gauge.open += 1
        gauge.calls += 1
        gauge.most = max(gauge.most, gauge.open)
        self._entered.setdefault(id(call), []).append(gauge)
