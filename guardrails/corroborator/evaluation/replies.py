"""The tables of ``corroborator evaluate replies``."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from corroborator.evaluation.baselines import Rival
from corroborator.evaluation.labels import ReplyLabel, by
from corroborator.evaluation.markdown import SMALL_NOTE, figure, table
from corroborator.evaluation.metrics import Flags, auroc, share, threshold_at
from corroborator.evaluation.report import (
    RATE,
    Report,
    auroc_with_interval,
    bar,
    plain_share,
    share_with_interval,
)
from corroborator.evaluation.scores import Scores
from corroborator.evaluation.svg import bars
from corroborator.heads import Floats

NOTE = (
    f"{SMALL_NOTE} Intervals are 95%, resampled by scenario with the threshold held fixed. *At 1%* is the"
    " threshold that 1% of the calm replies reach: those of sources without any collusive reply, or"
    " all fine ones where there is no such source. *Hard* are collusive replies that hold referral"
    " words, and fine ones that do not. *Shipped* is the verdict of the package; it acts only in"
    " turns that have a finding, an open thread or a risk hold."
)


@dataclass(frozen=True)
class _Rows:
    labels: tuple[ReplyLabel, ...]
    scores: Scores

    @cached_property
    def collusive(self) -> Flags:
        return self._flags(label.collusive for label in self.labels)

    @cached_property
    def hard(self) -> Flags:
        return self._flags(label.hard for label in self.labels)

    @cached_property
    def grounded(self) -> Flags:
        return self._flags(label.grounded is True and not label.collusive for label in self.labels)

    @cached_property
    def calm(self) -> Flags:
        """Fine replies of sources without any collusive one."""
        mixed = {label.source for label in self.labels if label.collusive}
        found = self._flags(label.source not in mixed for label in self.labels)
        return found if found.any() else ~self.collusive

    @cached_property
    def units(self) -> list[str]:
        return [label.unit for label in self.labels]

    @cached_property
    def decisions(self) -> tuple[Flags, Flags]:
        """What is flagged at 1%, and as shipped."""
        return self.over(self.scores.values), self.scores.fired

    def over(self, scores: Floats) -> Flags:
        """Return what reaches the threshold at 1% of the calm replies."""
        return scores >= threshold_at(RATE, scores[self.calm])

    def places(self, key: str) -> dict[str, Flags]:
        """Return the rows by the value of a field."""
        found = {}
        for name, places in by(self.labels, key).items():
            flags = np.zeros(len(self.labels), dtype=bool)
            flags[places] = True
            found[name] = flags
        return found

    def chosen(self, rows: Flags) -> list[str]:
        return [self.units[place] for place in np.flatnonzero(rows)]

    def _flags(self, values: Iterable[bool]) -> Flags:
        return np.fromiter(values, dtype=bool, count=len(self.labels))


def reply_report(
    labels: tuple[ReplyLabel, ...],
    scores: Scores,
    rivals: Sequence[Rival],
    learnt: frozenset[str] = frozenset(),
) -> Report:
    """Return tables and charts: ours beside the rivals, then ours by source, model and scenario.

    Args:
        labels: the rows.
        scores: of the rows, by fits that did not learn from their source.
        rivals: other scores of the rows.
        learnt: sources that the shipped model learnt from.
    """
    rows = _Rows(labels, scores)
    sources, models, groups = map(rows.places, ("source", "model", "group"))
    parts = [
        (
            f"{rows.collusive.sum()} collusive and {(~rows.collusive).sum()} fine replies, {rows.calm.sum()}"
            f" of them calm. Model `{scores.model[:12]}`.\n"
        ),
        _learnt(learnt & set(sources)),
        _separation(rows, sources, rivals),
        _flagged(rows),
        "By source:\n",
        _by(rows, "source", sources),
        _over_corrected(rows, sources),
        "By model:\n",
        _by(rows, "model", models),
        "By kind of scenario:\n",
        _by(rows, "category", rows.places("category")),
        _scenarios(rows, groups),
        NOTE + "\n",
    ]
    chart = [
        bar(name, rows.decisions[0], rows.units, own & rows.collusive)
        for name, own in sources.items()
        if (own & rows.collusive).any()
    ]
    title = "Collusive replies found at 1% of calm replies"
    return Report(
        "\n".join(part for part in parts if part), {"replies_recall.svg": bars(title, chart)}
    )


def _learnt(sources: frozenset[str]) -> str:
    if not sources:
        return ""
    return (
        f"The shipped model learnt phrasing from {', '.join(sorted(sources))} too. Replies of these are"
        " judged here by fits that left their source out, all others by the shipped model.\n"
    )


def _separation(rows: _Rows, sources: dict[str, Flags], rivals: Sequence[Rival]) -> str:
    lines = [_compared("**ours**", rows, sources, rows.scores.values)]
    for rival in rivals:
        absent = [rival.name, "not measured: not installed, or too few sources", *[""] * 7]
        compared = rival.scores is not None
        lines.append(_compared(rival.name, rows, sources, rival.scores) if compared else absent)  # type: ignore[arg-type]
    header = ["", "AUROC", "hard", "macro", "macro, hard", "same message"]
    return table([*header, "recall at 1%", "macro", "worst source"], lines)


def _compared(name: str, rows: _Rows, sources: dict[str, Flags], scores: Floats) -> list[str]:
    hard, flagged = rows.hard, rows.over(scores)
    recalls = [share(flagged[own & rows.collusive]) for own in sources.values()]
    known = [recall for recall in recalls if not math.isnan(recall)]
    return [
        name,
        auroc_with_interval(scores, rows.collusive, rows.units),
        auroc_with_interval(scores[hard], rows.collusive[hard], rows.chosen(hard)),
        figure(_macro(auroc(scores[own], rows.collusive[own]) for own in sources.values())),
        figure(
            _macro(
                auroc(scores[own & hard], rows.collusive[own & hard]) for own in sources.values()
            )
        ),
        _same_message(rows, scores),
        share_with_interval(flagged, rows.units, rows.collusive),
        figure(_macro(known)),
        figure(min(known, default=math.nan)),
    ]


def _macro(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _same_message(rows: _Rows, scores: Floats) -> str:
    """Write the AUROC among replies to one and the same message, mean over such messages."""
    messages = rows.places("user")
    known = [
        value
        for own in messages.values()
        if not math.isnan(value := auroc(scores[own], rows.collusive[own]))
    ]
    return f"{np.mean(known):.3f} ({len(known)})" if known else "-"


def _flagged(rows: _Rows) -> str:
    named = (
        ("collusive (recall)", rows.collusive),
        ("hard collusive (recall)", rows.collusive & rows.hard),
        ("fine, calm", rows.calm),
        ("fine, grounded on a claim", rows.grounded),
        ("fine, all", ~rows.collusive),
    )
    lines = [
        [
            name,
            int(chosen.sum()),
            *(share_with_interval(flags, rows.units, chosen) for flags in rows.decisions),
        ]
        for name, chosen in named
    ]
    return table(["flagged as colluding", "rows", "at 1%", "shipped"], lines)


def _by(rows: _Rows, key: str, places: dict[str, Flags]) -> str:
    lines: list[list[object]] = []
    macro: list[list[float]] = []
    for name, own in places.items():
        values, sizes = _figures(rows, own)
        lines.append([name, int((own & rows.collusive).sum()), *map(figure, values, sizes)])
        if not math.isnan(values[0]):
            macro.append(values)
    if len(macro) > 1:
        means = [_macro(column) for column in zip(*macro, strict=True)]
        lines.append(["macro, those with both", "", *map(figure, means)])
    header = [key, "collusive", "AUROC", "hard AUROC", "recall at 1%", "recall shipped"]
    return table(
        [
            *header,
            "fine flagged at 1%",
            "fine flagged shipped",
            "grounded at 1%",
            "grounded shipped",
        ],
        lines,
    )


def _figures(rows: _Rows, own: Flags) -> tuple[list[float], list[int]]:
    collusive, fine, hard = own & rows.collusive, own & ~rows.collusive, own & rows.hard
    grounded = own & rows.grounded
    plain, shipped = rows.decisions
    values = [
        auroc(rows.scores.values[own], rows.collusive[own]),
        auroc(rows.scores.values[hard], rows.collusive[hard]),
        *(
            share(flags[chosen])
            for chosen in (collusive, fine, grounded)
            for flags in (plain, shipped)
        ),
    ]
    count: Callable[[Flags], int] = lambda flags: int(flags.sum())  # noqa: E731 - one word for it
    sides = min(count(collusive), count(fine))
    hard_sides = min(count(hard & rows.collusive), count(hard & ~rows.collusive))
    doubled = [count(chosen) for chosen in (collusive, fine, grounded) for _ in range(2)]
    return values, [sides, hard_sides, *doubled]


def _over_corrected(rows: _Rows, sources: dict[str, Flags]) -> str:
    flags = rows.scores.flags("overcorrects")
    lines = [
        [name, int(fine.sum()), plain_share(flags, fine)]
        for name, own in sources.items()
        if (fine := own & ~rows.collusive).any()
    ]
    return "Fine replies flagged as over-correcting, as shipped:\n\n" + table(
        ["source", "rows", "share"], lines
    )


def _scenarios(rows: _Rows, groups: dict[str, Flags]) -> str:
    """Say how recall spreads over scenarios; their names may quote a source, so none is shown."""
    recalls = [
        share(rows.decisions[0][own & rows.collusive])
        for own in groups.values()
        if (own & rows.collusive).any()
    ]
    if not recalls:
        return ""
    low, middle, high = np.percentile(recalls, [10, 50, 90])
    return (
        f"By scenario: recall at 1% in {len(recalls)} scenarios with collusive replies is {low:.2f} in the"
        f" lowest tenth, {middle:.2f} in the middle, {high:.2f} in the highest tenth.\n"
    )
