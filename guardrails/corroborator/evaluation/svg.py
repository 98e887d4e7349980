"""Charts as SVG files that stand alone: bars with intervals, and calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, ROW, LEFT, RIGHT, TOP = 760, 24, 300, 110, 44
_STYLE = (
    "<style>text{font:13px sans-serif;fill:#222}.t{font-weight:bold}.v{fill:#555}"
    "rect{fill:#4a7c8c}line{stroke:#222}.g{stroke:#ddd}circle{fill:#4a7c8c}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.v{fill:#aaa}line{stroke:#ddd}.g{stroke:#444}}"
    "</style>"
)


@dataclass(frozen=True)
class Bar:
    """A share in [0, 1] with its interval; `rows` is how many it rests on."""

    name: str
    value: float
    bounds: tuple[float, float]
    rows: int


def bars(title: str, items: Sequence[Bar]) -> str:
    """Return a chart of horizontal bars; figures stand beside them."""
    inner = WIDTH - LEFT - RIGHT
    known = [bar for bar in items if not math.isnan(bar.value)]
    parts = [_grid(step / 4, inner, len(known)) for step in range(5)]
    for place, bar in enumerate(known):
        y = TOP + place * ROW
        low, high = (LEFT + inner * bound for bound in bar.bounds)
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(bar.name)}</text>',
            f'<rect x="{LEFT}" y="{y + 4}" width="{inner * bar.value:.1f}" height="{ROW - 10}"/>',
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 11}" y2="{y + 11}"/>',
            f'<text class="v" x="{WIDTH - RIGHT + 10}" y="{y + 15}">{bar.value:.2f}, n={bar.rows}</text>',
        ]
    return _chart(title, TOP + ROW * len(known) + 28, parts)


def calibration(title: str, bins: Sequence[tuple[float, float, float]]) -> str:
    """Return a chart of observed shares over mean probabilities."""
    side, left, top = 320, 60, TOP
    parts = [f'<line class="g" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}"/>']
    for step in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + side * step, top + side * (1 - step)
        parts += [
            f'<text class="v" x="{x:.0f}" y="{top + side + 18}" text-anchor="middle">{step:g}</text>',
            f'<text class="v" x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{step:g}</text>',
        ]
    for mean, seen, _ in bins:
        parts.append(
            f'<circle cx="{left + side * mean:.1f}" cy="{top + side * (1 - seen):.1f}" r="5"/>'
        )
    parts.append(
        f'<text class="v" x="{left}" y="{top + side + 38}">probability; upwards, share</text>'
    )
    return _chart(title, top + side + 52, parts)


def _grid(share: float, inner: int, rows: int) -> str:
    x, bottom = LEFT + inner * share, TOP + ROW * rows
    return (
        f'<line class="g" x1="{x:.0f}" x2="{x:.0f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text class="v" x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{share:g}</text>'
    )


def _chart(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title>{_STYLE}"
        f'<text class="t" x="12" y="24">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )
