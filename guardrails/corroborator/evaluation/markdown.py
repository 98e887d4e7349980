"""Markdown tables, and figures as they stand in them."""

import math
from collections.abc import Iterable, Sequence

SMALL = 60
"""Cells under so many rows are a check and no finding; they are marked with an asterisk."""

SMALL_NOTE = f"\\* fewer than {SMALL} rows: a check, not a finding."


def table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a table; columns after the first are figures."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (header, rule, *lines)) + "\n"


def figure(value: float, rows: int | None = None) -> str:
    """Write a figure, marked where it rests on few rows; ``-`` where it is not a number."""
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" + ("*" if rows is not None and rows < SMALL else "")


def ranged(value: float, bounds: tuple[float, float], rows: int | None = None) -> str:
    """Write a figure with its interval, as ``0.710 [0.660, 0.750]``."""
    if math.isnan(value):
        return "-"
    return f"{figure(value, rows)} [{figure(bounds[0])}, {figure(bounds[1])}]"


def of(hits: int, rows: int) -> str:
    """Write a share with its counts, as ``0.25 (5 of 20)``."""
    return f"{hits / rows:.2f} ({hits} of {rows})" if rows else "-"
