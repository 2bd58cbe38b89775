"""`python -m bench [NAME …] [--quick | --long] [--markdown PAGE] [--folder FOLDER]`."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bench.coldstart import coldstart
from bench.dialects import dialects
from bench.governed import governed
from bench.growth import growth
from bench.home import DEFAULT_FOLDER
from bench.lanes import lanes
from bench.ledger import ledger
from bench.long_requests import long_requests
from bench.machine import describe_machine
from bench.memory import memory
from bench.profiling import profile, profile_streams
from bench.report import Report, write_markdown
from bench.routing import routing
from bench.run import Run
from bench.sign_in import sign_in
from bench.streaming import streaming
from farebox.base.errors import OperatorError

ALWAYS: dict[str, Callable[[Run], Report]] = {
    "governed": governed,
    "streaming": streaming,
    "dialects": dialects,
    "long-requests": long_requests,
    "routing": routing,
    "ledger": ledger,
    "lanes": lanes,
    "sign-in": sign_in,
    "memory": memory,
    "coldstart": coldstart,
    "growth": growth,
}
# For whoever looks for the cause of a figure; not figures themselves.
ON_REQUEST: dict[str, Callable[[Run], Report]] = {"profile": profile, "profile-streams": profile_streams}


def main() -> None:
    """Run the benchmarks that were named, or all; print each result as it comes."""
    options = _options()
    # Context managers clean up after an exception, not after a signal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    run = Run(options.folder, quick=options.quick, long=options.long)
    print(describe_machine(), flush=True)
    reports = []
    try:
        for name in options.names or ALWAYS:
            print(f"{name} …", file=sys.stderr, flush=True)
            reports.append((ALWAYS | ON_REQUEST)[name](run))
            print(f"\n{reports[-1].text()}\n", flush=True)
    except KeyboardInterrupt:
        sys.exit("stopped")
    except OperatorError as error:
        sys.exit(f"{error.message}. Fix: {error.fix}")
    finally:
        if options.markdown is not None:
            write_markdown(options.markdown, reports, how=run.how)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios, measured in one run; no verdicts.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ALWAYS)}; {', '.join(ON_REQUEST)}")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="a minute or two in all, rough figures")
    length.add_argument("--long", action="store_true", help="growth up to 10^7 calls: half an hour and 20 GB of disk")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where to keep data: on a real disk")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ALWAYS | ON_REQUEST]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}")
    return options


if __name__ == "__main__":
    main()
