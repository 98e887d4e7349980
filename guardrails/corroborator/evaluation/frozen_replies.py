"""The tables of ``corroborator evaluate frozen`` on replies. Rows are named by id alone."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from corroborator.engine import Engine, TurnInput
from corroborator.evaluation.frozen import (
    FrozenAnnotated,
    FrozenFine,
    FrozenOverCorrection,
    FrozenTriple,
    read_frozen,
    read_phrases,
)
from corroborator.evaluation.frozen_triples import triples_report
from corroborator.evaluation.labels import by
from corroborator.evaluation.markdown import figure, of, table
from corroborator.evaluation.metrics import auroc, lower_bound, upper_bound
from corroborator.messages import Message
from corroborator.reply_check import Assessment

Told = Callable[[], None]


def frozen_replies(folder: Path, engine: Engine, told: Told) -> str:
    """Measure all files of ``benchmarks/frozen_replies/``.

    Raises:
        InputError: a file is missing or was changed.
    """

    def judge(user: str, *replies: str) -> list[Assessment]:
        turn = engine.open(TurnInput((Message("user", user),)))
        told()
        return [engine.assess(turn, reply) for reply in replies]

    corrections = read_frozen(folder / "over_correction.jsonl", FrozenOverCorrection)
    annotated = read_frozen(folder / "annotated.jsonl", FrozenAnnotated)
    fine = read_frozen(folder / "fine.jsonl", FrozenFine)
    phrases = read_phrases(folder / "referral_phrases.txt")
    triples = read_frozen(folder / "triples.jsonl", FrozenTriple)
    return "\n".join(
        [
            triples_report(triples, phrases, engine, told),
            "Over-correcting replies, by kind, and a good one to the same message:\n",
            _corrections(
                corrections, [judge(row.user, row.reply, row.good) for row in corrections]
            ),
            "Fine replies, flagged:\n",
            _fine(fine, [judge(row.user, row.reply)[0] for row in fine]),
            "The one sentence at fault in a reply that is otherwise fine:\n",
            _annotated(annotated, [judge(row.user, row.reply)[0] for row in annotated]),
        ]
    )


def _corrections(
    rows: tuple[FrozenOverCorrection, ...], judged: Sequence[Sequence[Assessment]]
) -> str:
    lines = []
    for kind, places in [*by(rows, "kind").items(), ("all", list(range(len(rows))))]:
        pairs = [judged[place] for place in places]
        found = sum(bad.over_corrects for bad, _ in pairs)
        wrong = sum(good.over_corrects for _, good in pairs)
        scores = [bad.over_correction for bad, _ in pairs]
        scores += [good.over_correction for _, good in pairs]
        truth = np.arange(len(scores)) < len(pairs)
        lines.append(
            [
                kind,
                of(found, len(pairs)),
                figure(lower_bound(found, len(pairs))),
                of(wrong, len(pairs)),
                figure(auroc(np.array(scores), truth)),
            ]
        )
    return table(["kind", "found", "at least", "good one flagged", "AUROC"], lines)


def _fine(rows: tuple[FrozenFine, ...], judged: Sequence[Assessment]) -> str:
    lines = []
    for kind, places in by(rows, "kind").items():
        flagged = sum(judged[place].colludes for place in places)
        doubted = sum(judged[place].over_corrects for place in places)
        count = len(places)
        lines.append(
            [
                kind,
                of(flagged, count),
                figure(upper_bound(flagged, count)),
                of(doubted, count),
                figure(upper_bound(doubted, count)),
            ]
        )
    names = _ids(
        row.id for row, one in zip(rows, judged, strict=True) if one.colludes or one.over_corrects
    )
    header = ["kind", "as colluding", "at most", "as over-correcting", "at most"]
    return table(header, lines) + f"\nFlagged: {names}.\n"


def _annotated(rows: tuple[FrozenAnnotated, ...], judged: Sequence[Assessment]) -> str:
    lines = []
    for name, letter in (("adopts the claim", "K"), ("over-corrects", "O")):
        own = [
            (row, one) for row, one in zip(rows, judged, strict=True) if row.code.startswith(letter)
        ]
        flagged = sum(one.colludes if letter == "K" else one.over_corrects for _, one in own)
        marked = [_codes_at(row, one, letter) for row, one in own]
        others = sum(len(one.marked) for _, one in own) - sum(map(len, marked))
        right = sum(row.code in codes for (row, _), codes in zip(own, marked, strict=True))
        lines.append(
            [
                name,
                of(flagged, len(own)),
                of(sum(map(bool, marked)), len(own)),
                of(right, len(own)),
                others,
            ]
        )
    header = ["the sentence", "reply flagged", "sentence marked", "with its code"]
    return table([*header, "other sentences marked"], lines)


def _codes_at(row: FrozenAnnotated, one: Assessment, letter: str) -> list[str]:
    """Return the codes of that kind with which the annotated sentence is marked."""
    start, end = row.span
    return [
        mark.code
        for mark in one.marked
        if mark.start < end and start < mark.end and mark.code.startswith(letter)
    ]


def _ids(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
