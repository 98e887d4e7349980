"""A message answered in three ways: what is found, and whether referral phrases change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.evaluation.frozen import FrozenTriple
from corroborator.evaluation.labels import by
from corroborator.evaluation.markdown import figure, of, table
from corroborator.evaluation.metrics import auroc, lower_bound, upper_bound
from corroborator.evaluation.settings import load_settings
from corroborator.messages import Message
from corroborator.reply_check import Assessment
from corroborator.statements import read_whole
from corroborator.taxonomy import load_taxonomy

PLACES = ("start", "middle", "end")

Told = Callable[[], None]


@dataclass(frozen=True)
class _Judged:
    row: FrozenTriple
    turn: Outcome
    colluding: Assessment
    good: Assessment
    over_correcting: Assessment


def triples_report(
    rows: Sequence[FrozenTriple], phrases: Sequence[str], engine: Engine, told: Told
) -> str:
    """Return the tables; `phrases` are sentences that refer to help."""
    judged = []
    for row in rows:
        judged.append(_judge(row, engine))
        told()
    return "\n".join(
        [
            "One message answered in three ways, in the same voice; a bound holds with 95% confidence:\n",
            _sides(judged),
            "Colluding replies found, by domain:\n",
            _by_domain(judged),
            "Over-correcting replies found, by code:\n",
            _by_code(judged),
            "Referral phrases; a verdict flips where it is another one after the change:\n",
            _referrals(judged, phrases, engine, told),
        ]
    )


def _judge(row: FrozenTriple, engine: Engine) -> _Judged:
    earlier = (
        Message("assistant" if said.role == "assistant" else "user", said.content)
        for said in row.history
    )
    turn = engine.open(TurnInput((*earlier, Message("user", row.user))))
    sides = (row.colluding, row.good, row.over_correcting)
    return _Judged(row, turn, *(engine.assess(turn, side.reply) for side in sides))


def _sides(judged: Sequence[_Judged]) -> str:
    count = len(judged)
    found = sum(one.colluding.colludes for one in judged)
    corrected = sum(one.over_correcting.over_corrects for one in judged)
    flagged = [one for one in judged if one.good.colludes]
    doubted = [one for one in judged if one.good.over_corrects]
    lines = [
        ["colluding, found", of(found, count), figure(lower_bound(found, count))],
        ["over-correcting, found", of(corrected, count), figure(lower_bound(corrected, count))],
        ["good, flagged as colluding", of(len(flagged), count), _upper(len(flagged), count)],
        ["good, flagged as over-correcting", of(len(doubted), count), _upper(len(doubted), count)],
    ]
    collusion = _separation(judged, "colluding", "collusion")
    correction = _separation(judged, "over_correcting", "over_correction")
    names = ", ".join(one.row.id for one in (*flagged, *doubted)) or "none"
    return "\n".join(
        [
            table(["replies", "share", "bound"], lines),
            (
                f"AUROC against the good replies: colluding {collusion:.3f}, over-correcting"
                f" {correction:.3f}. Good ones flagged: {names}.\n"
            ),
        ]
    )


def _upper(hits: int, rows: int) -> str:
    return figure(upper_bound(hits, rows))


def _separation(judged: Sequence[_Judged], side: str, score: str) -> float:
    high = [getattr(getattr(one, side), score) for one in judged]
    low = [getattr(one.good, score) for one in judged]
    truth = np.array([True] * len(high) + [False] * len(low))
    return auroc(np.array([*high, *low], dtype=np.float64), truth)


def _by_domain(judged: Sequence[_Judged]) -> str:
    lines = []
    for domain, places in by([one.row for one in judged], "domain").items():
        own = [judged[place] for place in places]
        lines.append(
            [
                domain,
                of(sum(one.colluding.colludes for one in own), len(own)),
                of(sum(one.good.colludes for one in own), len(own)),
                of(sum(bool(one.turn.detection.findings) for one in own), len(own)),
            ]
        )
    return table(["domain", "colluding found", "good flagged", "the message has a finding"], lines)


def _by_code(judged: Sequence[_Judged]) -> str:
    names = load_taxonomy().codes
    codes = sorted({c for one in judged for c in one.row.over_correcting.codes}, key=_number)
    lines = []
    for code in codes:
        own = [one for one in judged if code in one.row.over_correcting.codes]
        found = sum(one.over_correcting.over_corrects for one in own)
        marked = sum(code in {m.code for m in one.over_correcting.marked} for one in own)
        lines.append([f"{code} {names[code].name}", of(found, len(own)), of(marked, len(own))])
    return table(["code", "found", "and marked with this code"], lines)


def _number(code: str) -> tuple[str, int]:
    return code[0], int(code[1:])


def _referrals(
    judged: Sequence[_Judged], phrases: Sequence[str], engine: Engine, told: Told
) -> str:
    found = [one for one in judged if one.colluding.colludes]
    flips = {place: _flips(judged, phrases, place, engine, told) for place in PLACES}
    tried, tried_found = len(judged) * len(phrases), len(found) * len(phrases)
    lines = [
        [
            f"put at the {place} of colluding replies",
            of(sum(flips[place].values()), tried),
            of(sum(flips[place][one.row.id] for one in found), tried_found),
        ]
        for place in PLACES
    ]
    shortened = [(one, short) for one in judged if (short := _without(one.row.good.reply))]
    flipped = sum(
        engine.assess(one.turn, short).colludes != one.good.colludes for one, short in shortened
    )
    lines.append(["removed from good replies that hold some", of(flipped, len(shortened)), "-"])
    header = [f"{len(phrases)} phrases", "verdicts that flip", "of the replies that are found"]
    return table(header, lines)


def _flips(
    judged: Sequence[_Judged], phrases: Sequence[str], place: str, engine: Engine, told: Told
) -> dict[str, int]:
    """Count for each colluding reply how many phrases change its verdict."""
    flips = {}
    for one in judged:
        changed = (
            engine.assess(one.turn, _with(one.row.colluding.reply, phrase, place))
            for phrase in phrases
        )
        flips[one.row.id] = sum(new.colludes != one.colluding.colludes for new in changed)
        told()
    return flips


def _with(reply: str, phrase: str, place: str) -> str:
    """Return a reply with one more sentence."""
    sentences = read_whole(reply)
    cut = {
        "start": 0,
        "middle": sentences[len(sentences) // 2].start,
        "end": len(reply),
    }[place]
    return f"{reply[:cut].rstrip()} {phrase} {reply[cut:]}".strip()


def _without(reply: str) -> str:
    """Return a reply without its sentences that refer to help; empty where that changes nothing."""
    words = load_settings().referral_words
    sentences = read_whole(reply)
    kept = [
        sentence.text
        for sentence in sentences
        if not any(word in sentence.text.casefold() for word in words)
    ]
    return "" if len(kept) in (0, len(sentences)) else " ".join(kept)
