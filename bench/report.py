"""What a benchmark found, as text for the terminal and as Markdown for the page of results."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.machine import describe_machine

Cell = str | float


@dataclass
class Report:
    """One table. The first column names what was measured; numbers are shown to three significant digits."""

    name: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, *cells: Cell) -> None:
        """Add a row; missing cells at the end stay empty."""
        shown = [cell if isinstance(cell, str) else number(cell) for cell in cells]
        self.rows.append(shown + [""] * (len(self.columns) - len(shown)))

    def text(self) -> str:
        """Aligned columns."""
        lines = [list(self.columns), *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([f"── {self.name}", *shown, *(f"   {note}" for note in self.notes)])

    def markdown(self) -> str:
        """A table, its notes below."""
        rule = "|" + "---|" * len(self.columns)
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, *self.rows)]
        return "\n".join([lines[0], rule, *lines[1:], *(f"\n{note}" for note in self.notes)])


def number(value: float) -> str:
    """`12,345`, `12.3`, `0.0123`"""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(value: float, floor: float) -> str:
    """`3.2x`"""
    return f"{number(value / floor)}x" if floor else "-"


def middle(values: Sequence[float]) -> float:
    """The median of the rounds."""
    return float(median(values))


def medians(rounds: int) -> str:
    """How the figures came about."""
    return f"medians of {rounds} alternating rounds" if rounds > 1 else "one round"


def write_markdown(page: Path, reports: Sequence[Report], *, how: str) -> None:
    """Put the tables between their markers, `<!-- bench:NAME -->` and `<!-- end -->`; the rest of the page stays."""
    text = page.read_text(encoding="utf-8")
    for report in reports:
        block = f"<!-- bench:{report.name} -->\n{report.markdown()}\n\n*{describe_machine()}. {how}.*\n<!-- end -->"
        before, marker, rest = text.partition(f"<!-- bench:{report.name} -->")
        if marker:
            text = before + block + rest.partition("<!-- end -->")[2]
    page.write_text(text, encoding="utf-8")
