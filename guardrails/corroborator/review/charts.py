"""Charts as SVG, drawn on the server: no script, colours from the style sheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 880, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 26
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        name: what it is; also in the legend.
        values: one for each point, None where there is none.
    """

    name: str
    values: Sequence[float | None]


def line_chart(title: str, points: Sequence[str], lines: Sequence[Line]) -> Markup:
    """Return a chart of shares over time; numbers stand in the table beside it."""
    known = [value for line in lines for value in line.values if value is not None]
    top = next((step for step in _STEPS if step >= max(known, default=0.0)), 1.0)
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(place: int) -> float:
        return _LEFT + inner_width * (place / max(1, len(points) - 1))

    def y(value: float) -> float:
        return _TOP + inner_height * (1 - min(value, top) / top)

    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
    ]
    for share in (0.0, 0.5, 1.0):
        height = y(share * top)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>'
            f'<text class="tick" x="{_LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">'
            f"{_percent(share * top)}</text>"
        )
    for place in sorted({0, len(points) // 2, len(points) - 1} & set(range(len(points)))):
        anchor = {0: "start", len(points) - 1: "end"}.get(place, "middle")
        parts.append(
            f'<text class="tick" x="{x(place):.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">'
            f"{escape(points[place])}</text>"
        )
    for number, line in enumerate(lines):
        for run in _runs(line.values):
            if len(run) == 1:
                place, value = run[0]
                parts.append(
                    f'<circle class="dot line-{number}" cx="{x(place):.1f}" cy="{y(value):.1f}" r="3"/>'
                )
            else:
                drawn = " ".join(f"{x(p):.1f},{y(v):.1f}" for p, v in run)
                parts.append(f'<polyline class="line line-{number}" points="{drawn}"/>')
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - escaped above


def bars(title: str, now: Sequence[float], then: Sequence[float]) -> Markup:
    """Return two distributions over the same bins: now as bars, then as a step line."""
    width, height = 200, 64
    top = max((*now, *then, 0.01))
    step = width / len(now)
    parts = [
        f'<svg class="bars" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{escape(title)}">'
    ]
    for place, value in enumerate(now):
        tall = (height - 4) * value / top
        parts.append(
            f'<rect class="bar" x="{place * step + 1:.1f}" y="{height - tall:.1f}"'
            f' width="{step - 2:.1f}" height="{tall:.1f}"/>'
        )
    heights = [height - (height - 4) * value / top for value in then]
    drawn = " ".join(
        f"{p * step:.1f},{y:.1f} {(p + 1) * step:.1f},{y:.1f}" for p, y in enumerate(heights)
    )
    parts.append(f'<polyline class="then" points="{drawn}"/></svg>')
    return Markup("".join(parts))  # noqa: S704 - escaped above


def interval(value: float | None, low: float, high: float) -> Markup:
    """Return a share with its interval, on a scale from 0 to 1."""
    dot = "" if value is None else f'<circle class="dot" cx="{value * 100:.1f}" cy="6" r="3.5"/>'
    return Markup(  # noqa: S704 - numbers only
        '<svg class="interval" viewBox="-4 0 108 12" aria-hidden="true">'
        '<line class="grid" x1="0" x2="100" y1="6" y2="6"/>'
        f'<line class="span" x1="{low * 100:.1f}" x2="{high * 100:.1f}" y1="6" y2="6"/>{dot}</svg>'
    )


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the points without gaps between them."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if not known:
        return []
    runs = [[known[0]]]
    for before, after in pairwise(known):
        if after[0] == before[0] + 1:
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
