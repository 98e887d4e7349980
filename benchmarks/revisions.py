# ruff: noqa: INP001, T201 - a script, which prints
"""What is sent back to a model, and what stands in for its last draft: as a reader judged them.

    python benchmarks/revisions.py cases > cases.jsonl      # what is to be read
    python benchmarks/revisions.py table [docs/accuracy.md]  # what the reader said

A case is a message and a draft of ``frozen_replies/annotated.jsonl``, whose sentence at fault is marked
there, and the text that the guard answers with: guidance while the model may try again, and a
replacement after the last attempt. The reader's answers are kept by the hash of the text, in
``revisions/judgements.jsonl``; a text that has changed since counts as not read.
"""

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from corroborator.decision import Decision
from corroborator.drafts import REVISION_WORDS, judge_draft
from corroborator.ledger import Ledger
from corroborator.policy import profile_policy
from corroborator.reply_check import Assessment, MarkedSentence
from corroborator.support_resources import Need
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts

HERE = Path(__file__).parent
COUNT = 100
DAY = date(2026, 11, 28)
"""Places to turn to are named until they expire; this keeps the texts the same."""
KINDS = {"revise": "guidance for the model", "replace": "replacement for the person"}
ASKED = {
    "revise": ("names_fault", "says_instead", "faultless"),
    "replace": ("helps", "keeps_safety", "free_of_premise", "faultless"),
}
"""What the reader was asked of each kind, yes or no; `faultless`: no O code and no K code."""


@dataclass(frozen=True, slots=True)
class Case:
    """A message, a draft, and what the guard answers."""

    id: str
    about: str
    user: str
    draft: str
    at_fault: str
    kind: str
    text: str

    @property
    def hash(self) -> str:
        """The hash of all that was read."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


def cases() -> list[Case]:
    """Return the cases: a replacement of each domain and disclosure, then guidance in turn."""
    rows = [json.loads(line) for line in _lines(HERE / "frozen_replies" / "annotated.jsonl")]
    first = {row["domain"] or row["disclosure"]: row for row in reversed(rows)}
    replacements = [_case(row, "replace") for row in first.values()]
    seen: Counter[str] = Counter()
    turns = []
    for row in rows:
        about = row["domain"] or row["disclosure"]
        turns.append((seen[about], len(turns), row))
        seen[about] += 1
    wanted = COUNT - len(replacements)
    return replacements + [_case(row, "revise") for *_, row in sorted(turns)[:wanted]]


def _case(row: dict[str, Any], kind: str) -> Case:
    policy, texts, taxonomy = profile_policy("general"), load_texts(), load_taxonomy()
    about = row["domain"] or row["disclosure"]
    start, end = row["span"]
    colludes = row["code"].startswith("K") or kind == "replace"  # that alone is always replaced
    assessment = Assessment(
        colludes=colludes,
        over_corrects=not colludes,
        marked=(MarkedSentence(start, end, row["code"], 0.9),),
    )
    protected = about in taxonomy.protected
    decision = (
        Decision("protect", "steer", protected=(about,))
        if protected
        else Decision("steer", "steer", domains=(about,))
    )
    attempts = policy.reply.attempts if kind == "replace" else 0
    need = (taxonomy.protected if protected else taxonomy.domains)[about].need
    place = texts.resources.find(Need(need), policy.region, DAY) if need else None
    verdict = judge_draft(assessment, decision, Ledger(turn=1), policy, texts, attempts, place)
    text = verdict.guidance if kind == "revise" else verdict.text
    name = f"{row['id']}/{kind}"
    return Case(name, about, row["user"], row["reply"], row["reply"][start:end], kind, text)


def table() -> str:
    """Return what the reader said, as Markdown."""
    said = {
        row["hash"]: row for row in map(json.loads, _lines(HERE / "revisions/judgements.jsonl"))
    }
    read = [(case, said[case.hash]) for case in cases() if case.hash in said]
    lines = ["| text | question | yes |", "| --- | --- | ---: |"]
    for kind, asked in ASKED.items():
        own = [(case, answers) for case, answers in read if case.kind == kind]
        for question in asked:
            yes = sum(answers[question] for _, answers in own)
            lines.append(f"| {KINDS[kind]} | {question.replace('_', ' ')} | {yes} of {len(own)} |")
    longest = max((len(c.text.split()) for c in cases() if c.kind == "revise"), default=0)
    good = Counter(code for _, answers in read for code in answers["good_codes"])
    faults = Counter(code for _, answers in read for code in answers["fault_codes"])
    return "\n".join(
        [
            *lines,
            "",
            (
                f"{len(read)} of {COUNT} texts were read as they are now. The longest guidance has"
                f" {longest} words, of {REVISION_WORDS} allowed."
            ),
            "",
            f"Good codes seen: {_counted(good)}. Faults seen: {_counted(faults)}.",
            "",
        ]
    )


def _counted(codes: Counter[str]) -> str:
    ordered = sorted(codes.items(), key=lambda item: (item[0][0], int(item[0][1:])))
    return ", ".join(f"{code} {count}" for code, count in ordered) or "none"


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from filter(str.strip, lines)


def _put(page: Path) -> None:
    text = page.read_text("utf-8")
    part = re.compile(r"(<!-- measured: revisions -->\n).*?(<!-- end -->)", re.DOTALL)
    filled, count = part.subn(lambda found: f"{found[1]}{table()}{found[2]}", text)
    if count != 1:
        raise SystemExit(f"{page} has no place for revisions")
    page.write_text(filled, "utf-8")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cases"]:
            for one in cases():
                print(json.dumps({"hash": one.hash, **asdict(one)}, ensure_ascii=False))
        case ["table"]:
            print(table())
        case ["table", page]:
            _put(Path(page))
        case _:
            raise SystemExit(__doc__)
