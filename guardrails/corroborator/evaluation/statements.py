"""The tables of ``corroborator evaluate statements``."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from corroborator.evaluation.baselines import Rival
from corroborator.evaluation.labels import StatementLabel, by
from corroborator.evaluation.markdown import SMALL_NOTE, figure, of, table
from corroborator.evaluation.matching import Matching, matched
from corroborator.evaluation.metrics import (
    Flags,
    at_prior,
    auroc,
    brier_skill,
    calibration_bins,
    calibration_error,
    share,
    threshold_at,
)
from corroborator.evaluation.report import (
    RATE,
    Report,
    auroc_with_interval,
    bar,
    plain_share,
    share_with_interval,
)
from corroborator.evaluation.scores import Scores
from corroborator.evaluation.settings import load_settings
from corroborator.evaluation.svg import bars, calibration
from corroborator.heads import Floats

NOTE = (
    f"{SMALL_NOTE} Intervals are 95%, resampled by document with the threshold held fixed. *At 1%* is"
    " the threshold that 1% of ordinary turns reach; *matched* the one that 1% of ordinary turns"
    " reach when they are weighted to be as long, and to speak in the first person as often, as the"
    " triggers; *shipped* the decision of the package."
)


@dataclass(frozen=True)
class _Rows:
    labels: tuple[StatementLabel, ...]
    scores: Scores

    @cached_property
    def trigger(self) -> Flags:
        return self._flags(label.trigger for label in self.labels)

    @cached_property
    def hard(self) -> Flags:
        return self._flags(not label.trigger and bool(label.neg_kind) for label in self.labels)

    @cached_property
    def ordinary(self) -> Flags:
        return ~self.trigger & ~self.hard

    @cached_property
    def clear(self) -> Flags:
        return self._flags(not label.borderline for label in self.labels)

    @cached_property
    def units(self) -> list[str]:
        return [label.unit for label in self.labels]

    @cached_property
    def matching(self) -> Matching:
        return matched([label.text for label in self.labels], self.trigger, self.ordinary)

    @cached_property
    def thresholds(self) -> tuple[float, float]:
        return self.thresholds_of(self.scores.values)

    def thresholds_of(self, scores: Floats) -> tuple[float, float]:
        """Return those at 1% of ordinary turns, and at 1% of matched ones."""
        ordinary, weights = scores[self.ordinary], self.matching.weights[self.ordinary]
        plain = threshold_at(RATE, ordinary)
        return plain, threshold_at(RATE, ordinary, weights) if weights.any() else math.nan

    @cached_property
    def decisions(self) -> tuple[Flags, Flags, Flags]:
        """What fires at 1%, at 1% of matched turns, and as shipped."""
        plain, alike = self.thresholds
        return self.scores.values >= plain, self.scores.values >= alike, self.scores.fired

    def written(self, write: Callable[[Flags], str]) -> list[str]:
        """Return what `write` makes of each decision; ``-`` where no ordinary turn is alike."""
        plain, alike, shipped = self.decisions
        known = not math.isnan(self.thresholds[1])
        return [write(plain), write(alike) if known else "-", write(shipped)]

    def at(self, places: Sequence[int]) -> Flags:
        flags = np.zeros(len(self.labels), dtype=bool)
        flags[list(places)] = True
        return flags

    def chosen(self, rows: Flags) -> list[str]:
        return [self.units[place] for place in np.flatnonzero(rows)]

    def _flags(self, values: Iterable[bool]) -> Flags:
        return np.fromiter(values, dtype=bool, count=len(self.labels))


def statement_report(
    labels: tuple[StatementLabel, ...], scores: Scores, rivals: Sequence[Rival], prior: float
) -> Report:
    """Return tables and charts.

    Args:
        labels: triggers, hard negatives and ordinary turns.
        scores: ours, in the same order.
        rivals: what stands beside them.
        prior: the share of claims that our probabilities assume.
    """
    rows = _Rows(labels, scores)
    parts = [
        (
            f"{rows.trigger.sum()} triggers, {rows.hard.sum()} hard negatives, {rows.ordinary.sum()}"
            f" ordinary turns. Model `{scores.model[:12]}`.\n"
        ),
        _separation(rows, rivals),
        _fires(rows),
        "Fires by kind of hard negative, never pooled:\n",
        _by_kind(rows),
        "Recall by category of trigger:\n",
        _by_category(rows),
        "By source, AUROC against the hard negatives of the same source:\n",
        _by_source(rows),
        "Disclosures, as shipped:\n",
        _disclosures(rows),
        _calibration(rows, prior),
        _explanations(rows),
        NOTE + "\n",
    ]
    return Report("\n".join(part for part in parts if part), _charts(rows, prior))


def _separation(rows: _Rows, rivals: Sequence[Rival]) -> str:
    lines = [_compared("**ours**", rows, rows.scores.values)]
    for rival in rivals:
        absent = [rival.name, "not measured: not installed, or too few sources", *[""] * 7]
        lines.append(absent if rival.scores is None else _compared(rival.name, rows, rival.scores))
    header = [
        "",
        "AUROC, ordinary",
        "ordinary, matched",
        "hard negatives",
        "hard, clear rows",
        "recall at 1%",
        "clear rows",
        "matched",
        "hard negatives fired on at 1%",
    ]
    return table(header, lines)


def _compared(name: str, rows: _Rows, scores: Floats) -> list[str]:
    plain, alike = rows.thresholds_of(scores)
    matching = rows.matching
    weights = matching.weights + matching.covered
    return [
        name,
        _auroc(rows, scores, rows.ordinary),
        _auroc(rows, scores, rows.ordinary, weights),
        _auroc(rows, scores, rows.hard),
        _auroc(rows, scores, rows.hard & rows.clear, clear=True),
        share_with_interval(scores >= plain, rows.units, rows.trigger),
        share_with_interval(scores >= plain, rows.units, rows.trigger & rows.clear),
        share_with_interval(scores >= alike, rows.units, matching.covered),
        share_with_interval(scores >= plain, rows.units, rows.hard),
    ]


def _auroc(
    rows: _Rows,
    scores: Floats,
    against: Flags,
    weights: Floats | None = None,
    *,
    clear: bool = False,
) -> str:
    used = against | (rows.trigger & rows.clear if clear else rows.trigger)
    chosen = None if weights is None else weights[used]
    return auroc_with_interval(scores[used], rows.trigger[used], rows.chosen(used), chosen)


def _fires(rows: _Rows) -> str:
    plain, alike = rows.thresholds
    named = (
        ("triggers (recall)", rows.trigger),
        ("clear triggers (recall)", rows.trigger & rows.clear),
        ("hard negatives", rows.hard),
        ("ordinary turns", rows.ordinary),
    )
    lines = [
        [
            name,
            int(chosen.sum()),
            *rows.written(partial(share_with_interval, units=rows.units, rows=chosen)),
        ]
        for name, chosen in named
    ]
    per_thousand = 1000 * share(rows.scores.fired[rows.ordinary])
    return "\n".join(
        [
            (
                f"Thresholds: {plain:.4f} at 1%, {alike:.4f} matched (worth {rows.matching.effective:.0f}"
                f" ordinary turns of equal weight; {int(rows.matching.covered.sum())} of"
                f" {int(rows.trigger.sum())} triggers have ordinary turns like them). As shipped"
                f" {per_thousand:.1f} of 1,000 ordinary turns fire.\n"
            ),
            table(["fires on", "rows", "at 1%", "matched", "shipped"], lines),
        ]
    )


def _by_kind(rows: _Rows) -> str:
    lines = [
        [
            name,
            len(places),
            *rows.written(partial(plain_share, rows=chosen)),
            plain_share(rows.scores.flags("protected"), chosen),
        ]
        for name, places in by(rows.labels, "neg_kind").items()
        if (chosen := rows.at(places) & rows.hard).any()
    ]
    return table(["kind", "rows", "at 1%", "matched", "shipped", "met as a disclosure"], lines)


def _by_category(rows: _Rows) -> str:
    lines = [
        [
            name,
            int(chosen.sum()),
            int((chosen & rows.clear).sum()),
            *rows.written(partial(plain_share, rows=chosen)),
            plain_share(rows.decisions[0], chosen & rows.clear),
        ]
        for name, places in by(rows.labels, "category").items()
        if (chosen := rows.at(places) & rows.trigger).any()
    ]
    header = ["category", "rows", "clear", "at 1%", "matched", "shipped", "clear rows at 1%"]
    return table(header, lines)


def _by_source(rows: _Rows) -> str:
    lines: list[list[object]] = []
    macro: list[list[float]] = []
    for source, places in by(rows.labels, "source").items():
        own = rows.at(places)
        triggers, hard = own & rows.trigger, own & rows.hard
        if not (triggers | hard).any():
            continue
        used = triggers | hard
        values = [
            auroc(rows.scores.values[used], rows.trigger[used]),
            share(rows.decisions[0][triggers]),
            share(rows.decisions[0][hard]),
            share(rows.scores.fired[triggers]),
            share(rows.scores.fired[hard]),
        ]
        counts = int(triggers.sum()), int(hard.sum())
        sizes = [min(counts), *counts, *counts]
        lines.append([source, *counts, *map(figure, values, sizes)])
        if min(counts):
            macro.append(values)
    if macro:
        lines.append(["macro, those with both", "", "", *map(figure, np.mean(macro, axis=0))])
    header = ["source", "triggers", "hard", "AUROC", "recall at 1%", "hard fired at 1%"]
    return table([*header, "recall shipped", "hard fired shipped"], lines)


def _disclosures(rows: _Rows) -> str:
    kinds = load_settings().disclosure_kinds
    disclosing = rows.at([n for n, label in enumerate(rows.labels) if label.neg_kind in kinds])
    found = rows.scores.flags("protected")
    named = (
        (f"{', '.join(kinds)} (recall)", disclosing),
        ("other hard negatives", rows.hard & ~disclosing),
        ("triggers, disclosures among them not labelled", rows.trigger),
        ("ordinary turns", rows.ordinary),
    )
    return table(
        ["a disclosure is found in", "rows", "share"],
        [
            [name, int(chosen.sum()), share_with_interval(found, rows.units, chosen)]
            for name, chosen in named
        ],
    )


def _calibration(rows: _Rows, prior: float) -> str:
    used = rows.trigger | rows.hard
    if not rows.trigger.any() or not rows.hard.any():
        return ""
    values, happened = rows.scores.values[used], rows.trigger[used]
    weights = at_prior(happened, prior)
    bins = calibration_bins(values, happened, weights)
    return "\n".join(
        [
            (
                f"Calibration on triggers against hard negatives, weighted to the share of {prior:g} that the"
                f" manifest assumes: expected calibration error"
                f" {calibration_error(values, happened, weights):.3f}, Brier skill"
                f" {brier_skill(values, happened, weights):.3f} (0 is that of the base rate).\n"
            ),
            table(
                ["mean probability, bins of equal weight", "observed share"],
                [[figure(mean), figure(seen)] for mean, seen, _ in bins],
            ),
        ]
    )


def _explanations(rows: _Rows) -> str:
    fired = [row for row in rows.scores.rows if row.get("nearest") and row["fired"]]
    if not fired:
        return ""
    same = [row for row in fired if str(row["nearest"]).rpartition("-")[0] == row["named"]]
    claims = sum(bool(row["nearest_is_claim"]) for row in same)
    return (
        f"Explanations: of the rows that fire, the nearest exemplar of the whole bank, near misses"
        f" included, belongs to the named domain in {of(len(same), len(fired))}, and is a claim of it"
        f" in {of(claims, len(fired))}.\n"
    )


def _charts(rows: _Rows, prior: float) -> dict[str, str]:
    recall = [
        bar(name, rows.decisions[0], rows.units, chosen)
        for name, places in by(rows.labels, "category").items()
        if (chosen := rows.at(places) & rows.trigger).any()
    ]
    wrong = [
        bar(name, rows.decisions[0], rows.units, chosen)
        for name, places in by(rows.labels, "neg_kind").items()
        if (chosen := rows.at(places) & rows.hard).any()
    ]
    used = rows.trigger | rows.hard
    values, happened = rows.scores.values[used], rows.trigger[used]
    bins = calibration_bins(values, happened, at_prior(happened, prior))
    return {
        "statements_recall.svg": bars("Triggers found at 1% of ordinary turns", recall),
        "statements_near_misses.svg": bars("Near misses fired on at 1% of ordinary turns", wrong),
        "statements_calibration.svg": calibration("Calibration of statement probabilities", bins),
    }
