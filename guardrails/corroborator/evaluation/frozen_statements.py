"""The tables of ``corroborator evaluate frozen`` on statements. Rows are named by id alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.evaluation.frozen import (
    FrozenClaim,
    FrozenMixed,
    FrozenPair,
    FrozenStatement,
    FrozenVoice,
    read_frozen,
)
from corroborator.evaluation.labels import Said, by
from corroborator.evaluation.markdown import figure, of, table
from corroborator.evaluation.metrics import interval, lower_bound, upper_bound
from corroborator.heads import Floats, log_odds
from corroborator.ledger import Ledger
from corroborator.messages import Message

LIMIT = 0.3
"""How far the mean of a voice may be from plain English, in log odds."""

Told = Callable[[], None]


@dataclass(frozen=True)
class _Turns:
    """Opens turns and counts them."""

    engine: Engine
    told: Told

    def opened(self, text: str, context: Sequence[Said] = ()) -> Outcome:
        """Judge a message; with a context, the conversation before it is judged too."""
        self.told()
        message = Message("user", text)
        if not context:
            return self.engine.open(TurnInput((message,), Ledger()))
        earlier = (
            Message("assistant" if said.role == "assistant" else "user", said.content)
            for said in context
        )
        return self.engine.open(TurnInput((*earlier, message)))


def frozen_statements(folder: Path, engine: Engine, told: Told) -> str:
    """Measure all files of ``benchmarks/frozen/``.

    Raises:
        InputError: a file is missing or was changed.
    """
    turns = _Turns(engine, told)
    return "\n".join(
        [
            "Messages that are no ground for steering; a bound holds with 95% confidence:\n",
            _statements(read_frozen(folder / "statements.jsonl", FrozenStatement), turns),
            "Plain claims:\n",
            _claims(read_frozen(folder / "claims.jsonl", FrozenClaim), turns),
            "Minimal pairs:\n",
            _pairs(read_frozen(folder / "minimal_pairs.jsonl", FrozenPair), turns),
            "Mixed turns, a disclosure and a claim:\n",
            _mixed(read_frozen(folder / "mixed_turns.jsonl", FrozenMixed), turns),
            "Voices, the same content in plain English beside it, 60 pairs each:\n",
            _voices(read_frozen(folder / "voices.jsonl", FrozenVoice), turns),
        ]
    )


def _statements(rows: tuple[FrozenStatement, ...], turns: _Turns) -> str:
    outcomes = [turns.opened(row.text) for row in rows]
    lines = []
    for kind, places in [*by(rows, "kind").items(), ("all", list(range(len(rows))))]:
        fired = sum(bool(outcomes[place].decision.domains) for place in places)
        disclosing = [place for place in places if rows[place].disclosure]
        found = sum(bool(outcomes[place].decision.protected) for place in disclosing)
        others = [place for place in places if not rows[place].disclosure]
        needless = sum(bool(outcomes[place].decision.protected) for place in others)
        lines.append(
            [
                kind,
                of(fired, len(places)),
                figure(upper_bound(fired, len(places))),
                of(found, len(disclosing)),
                figure(lower_bound(found, len(disclosing))) if disclosing else "-",
                of(needless, len(others)),
            ]
        )
    header = ["kind", "steered on", "at most", "disclosures found", "at least", "needlessly found"]
    return table(header, lines)


def _claims(rows: tuple[FrozenClaim, ...], turns: _Turns) -> str:
    outcomes = [turns.opened(row.text) for row in rows]
    lines = []
    for domain, places in [*by(rows, "domain").items(), ("all", list(range(len(rows))))]:
        found = [place for place in places if outcomes[place].decision.domains]
        named = sum(rows[place].domain in outcomes[place].decision.domains for place in found)
        bound = figure(lower_bound(len(found), len(places)))
        lines.append([domain, of(len(found), len(places)), bound, of(named, len(places))])
    return table(["domain", "found", "at least", "named as this domain"], lines)


def _pairs(rows: tuple[FrozenPair, ...], turns: _Turns) -> str:
    claims = [bool(turns.opened(row.claim).decision.domains) for row in rows]
    others = [bool(turns.opened(row.other, row.context).decision.domains) for row in rows]
    relations = by(rows, "relation")
    frames = relations.pop("frame", [])
    every = [place for places in relations.values() for place in places]
    lines = []
    for relation, places in [*relations.items(), ("all but frames", every)]:
        below = sum(not others[place] for place in places)
        both = [place for place in places if claims[place]]
        lines.append(
            [
                relation,
                of(len(both), len(places)),
                of(below, len(places)),
                figure(lower_bound(below, len(places))) if places else "-",
                of(sum(not others[place] for place in both), len(both)),
            ]
        )
    escaped = [place for place in frames if claims[place] and not others[place]]
    found = sum(claims[place] for place in frames)
    header = [
        "relation",
        "claims found",
        "others left alone",
        "at least",
        "where the claim is found",
    ]
    return "\n".join(
        [
            table(header, lines),
            (
                f"Frames (hypothetically, for a friend): {of(len(escaped), found)} of the claims that are found"
                f" escape in their frame; {of(sum(others[place] for place in frames), len(frames))} of all"
                f" framed claims are found. Escaped: {_ids(rows[place].id for place in escaped)}.\n"
            ),
        ]
    )


def _mixed(rows: tuple[FrozenMixed, ...], turns: _Turns) -> str:
    outcomes = [turns.opened(row.text).decision for row in rows]
    leads = [bool(decision.protected) for decision in outcomes]
    stays = [bool(decision.domains) for decision in outcomes]
    both = [lead and stay for lead, stay in zip(leads, stays, strict=True)]
    right = [row.disclosure in d.protected for row, d in zip(rows, outcomes, strict=True)]
    named = [row.domain in d.domains for row, d in zip(rows, outcomes, strict=True)]
    count = len(rows)
    lines = [
        ["safety leads", of(sum(leads), count), figure(lower_bound(sum(leads), count))],
        ["... and with the disclosure that is there", of(sum(right), count), ""],
        [
            "a claim is still left alone",
            of(sum(stays), count),
            figure(lower_bound(sum(stays), count)),
        ],
        ["... and it is the domain that is there", of(sum(named), count), ""],
        ["both", of(sum(both), count), figure(lower_bound(sum(both), count))],
    ]
    missed = _ids(row.id for row, lead in zip(rows, leads, strict=True) if not lead)
    return table(["", "turns", "at least"], lines) + f"\nSafety does not lead in: {missed}.\n"


def _voices(rows: tuple[FrozenVoice, ...], turns: _Turns) -> str:
    spoken = [turns.opened(row.text) for row in rows]
    plain = [turns.opened(row.plain) for row in rows]
    claims = _logits(spoken, "claim_before_protected") - _logits(plain, "claim_before_protected")
    safety = _logits(spoken, "protected") - _logits(plain, "protected")
    lines = []
    for voice, places in by(rows, "voice").items():
        nothing = [place for place in places if rows[place].carries is None]
        lines.append(
            [
                voice,
                len(places),
                *_difference(claims[places]),
                *_difference(safety[places]),
                sum(_fires(spoken[place]) for place in nothing),
                sum(_fires(plain[place]) for place in nothing),
            ]
        )
    header = ["voice", "pairs", "claims, log odds", "within 0.3", "disclosures", "within 0.3"]
    wrong: Mapping[str, list[Outcome]] = {"in the voice": spoken, "in plain English": plain}
    listed = (
        f"Fired though nothing is carried, {form}: "
        + _ids(
            row.id
            for row, outcome in zip(rows, outcomes, strict=True)
            if row.carries is None and _fires(outcome)
        )
        + "."
        for form, outcomes in wrong.items()
    )
    empty = "fires though nothing is carried"
    return "\n".join([table([*header, empty, "plain form"], lines), *listed, ""])


def _logits(outcomes: Iterable[Outcome], key: str) -> Floats:
    return log_odds(np.array([getattr(outcome.detection, key) for outcome in outcomes]))


def _difference(values: Floats) -> list[str]:
    """Return the mean with its interval, and whether that lies within the limit."""
    low, high = interval(
        lambda weights: float(np.average(values, weights=weights)),
        list(map(str, range(len(values)))),
    )
    inside = "yes" if low >= -LIMIT and high <= LIMIT else "no"
    return [f"{values.mean():+.2f} [{low:+.2f}, {high:+.2f}]", inside]


def _fires(outcome: Outcome) -> bool:
    return bool(outcome.decision.domains or outcome.decision.protected)


def _ids(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
