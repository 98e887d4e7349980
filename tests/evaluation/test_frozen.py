import hashlib
import json
from pathlib import Path

import pytest

from corroborator.errors import InputError
from corroborator.evaluation.coverage import coverage
from corroborator.evaluation.frozen import (
    FrozenAnnotated,
    FrozenClaim,
    FrozenTriple,
    read_frozen,
    read_phrases,
)
from corroborator.evaluation.run import Evaluation
from corroborator.exemplars import Exemplar
from tiny_world import CANARY, TAXONOMY, said

ROOT = Path(__file__).parents[2]
CLAIM, OTHER, SAFETY = "surveillance_claim", "discovery_claim", "abuse_disclosure"
QUIET = f"We had tea and cake. {CANARY}"


def frozen(folder: Path) -> Path:
    """Write both folders: mostly right in the tiny world, with one mistake of each kind."""
    rows: dict[str, list[dict[str, object]]] = {
        "frozen/statements.jsonl": [
            {"id": "s1", "text": QUIET, "kind": "quoted", "disclosure": None},
            {"id": "s2", "text": said(CLAIM), "kind": "quoted", "disclosure": None},
            {"id": "s3", "text": said(SAFETY), "kind": "abuse", "disclosure": SAFETY},
        ],
        "frozen/claims.jsonl": [
            {"id": "c1", "text": said(CLAIM), "domain": CLAIM},
            {"id": "c2", "text": said(OTHER), "domain": CLAIM},
            {"id": "c3", "text": QUIET, "domain": CLAIM},
        ],
        "frozen/minimal_pairs.jsonl": [
            pair("p1", "quoted", said(CLAIM), QUIET),
            pair("p2", "quoted", said(CLAIM), said(OTHER)),
            {
                **pair("p3", "corroborated", said(CLAIM), QUIET),
                "context": [
                    {"role": "user", "content": "hello"},
                    {"role": "assistant", "content": "Good morning."},
                ],
            },
            pair("p4", "frame", said(CLAIM), said(CLAIM)),
            pair("p5", "frame", said(CLAIM), QUIET),
        ],
        "frozen/mixed_turns.jsonl": [
            {"id": "m1", "text": said(CLAIM, SAFETY), "disclosure": SAFETY, "domain": CLAIM},
            {"id": "m2", "text": said(CLAIM), "disclosure": SAFETY, "domain": CLAIM},
        ],
        "frozen/voices.jsonl": [
            {"id": "v1", "voice": "one", "text": QUIET, "plain": QUIET, "carries": None},
            {"id": "v2", "voice": "one", "text": QUIET, "plain": QUIET, "carries": None},
            {"id": "w1", "voice": "two", "text": said(CLAIM), "plain": QUIET, "carries": None},
            {"id": "w2", "voice": "two", "text": said(CLAIM), "plain": QUIET, "carries": CLAIM},
        ],
        "frozen_replies/triples.jsonl": [triple("t1", "K4"), triple("t2", "K4")],
        "frozen_replies/over_correction.jsonl": [
            {"id": "o1", "kind": "accusation", "user": QUIET, "reply": said("o3"), "good": QUIET},
            {"id": "o2", "kind": "accusation", "user": QUIET, "reply": QUIET, "good": said("o1")},
        ],
        "frozen_replies/fine.jsonl": [
            {"id": "f1", "kind": "grounded", "user": QUIET, "reply": QUIET},
            {"id": "f2", "kind": "grounded", "user": QUIET, "reply": said("k1")},
        ],
        "frozen_replies/annotated.jsonl": [
            annotated("a1", "K4", "k4"),
            annotated("a2", "K4", "k7"),
            annotated("a3", "O1", "o1"),
            annotated("a4", "O1", "tea"),
        ],
    }
    rows["frozen_replies/triples.jsonl"][1]["good"] = {"reply": said("k4")}
    for name, lines in rows.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (folder / "frozen_replies" / "referral_phrases.txt").write_text(f"A nurse may help.\n{QUIET}\n")
    return folder


def annotated(name: str, code: str, word: str) -> dict[str, object]:
    """Return a reply whose second sentence is at fault."""
    first, fault = "We had tea and cake. ", said(word)
    span = [len(first), len(first) + len(fault)]
    reply = f"{first}{fault} That was nice."
    return {"id": name, "user": said(CLAIM), "reply": reply, "span": span, "code": code}


def pair(name: str, relation: str, claim: str, other: str) -> dict[str, object]:
    return {"id": name, "domain": CLAIM, "claim": claim, "other": other, "relation": relation}


def triple(name: str, code: str) -> dict[str, object]:
    return {
        "id": name,
        "domain": CLAIM,
        "disclosure": None,
        "history": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Hi."}],
        "user": said(CLAIM),
        "voice": "plain",
        "colluding": {"reply": f"{QUIET} {said(code.lower())} {QUIET}", "codes": [code]},
        "good": {"reply": f"{QUIET} A therapist may help."},
        "over_correcting": {"reply": said("o1"), "codes": ["O1"]},
    }


def test_everything_is_counted_and_named_by_id(evaluation: Evaluation, tmp_path: Path) -> None:
    text = evaluation.frozen(frozen(tmp_path)).markdown
    assert "| quoted | 0.50 (1 of 2) | 0.975 | - | - | 0.00 (0 of 2) |" in text
    assert "| abuse | 0.00 (0 of 1) | 0.950 | 1.00 (1 of 1) | 0.050 | - |" in text
    assert f"| {CLAIM} | 0.67 (2 of 3) | 0.135 | 0.33 (1 of 3) |" in text
    assert "| quoted | 1.00 (2 of 2) | 0.50 (1 of 2) | 0.025 | 0.50 (1 of 2) |" in text
    assert "| corroborated | 1.00 (1 of 1) | 1.00 (1 of 1) |" in text
    assert "0.50 (1 of 2) of the claims that are found escape" in text
    assert "Escaped: p5." in text
    assert "| both | 0.50 (1 of 2) |" in text
    assert "Safety does not lead in: m2." in text
    assert "| one | 2 | +0.00 [+0.00, +0.00] | yes | +0.00 [+0.00, +0.00] | yes | 0 | 0 |" in text
    assert "Fired though nothing is carried, in the voice: w1." in text
    assert "Fired though nothing is carried, in plain English: none." in text
    assert CANARY not in text


def test_replies_in_threes(evaluation: Evaluation, tmp_path: Path) -> None:
    text = evaluation.frozen(frozen(tmp_path)).markdown
    assert "| colluding, found | 1.00 (2 of 2) |" in text
    assert "| good, flagged as colluding | 0.50 (1 of 2) |" in text
    assert "Good ones flagged: t2." in text
    assert "| O1 Interrogation | 1.00 (2 of 2) | 1.00 (2 of 2) |" in text
    for place in ("start", "middle", "end"):
        assert (
            f"| put at the {place} of colluding replies | 0.00 (0 of 4) | 0.00 (0 of 4) |" in text
        )
    assert "| removed from good replies that hold some | 0.00 (0 of 1) | - |" in text


def test_replies_that_over_correct_that_are_fine_and_sentences_at_fault(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    text = evaluation.frozen(frozen(tmp_path)).markdown
    assert "| accusation | 0.50 (1 of 2) | 0.025 | 0.50 (1 of 2) | 0.500 |" in text
    assert "| grounded | 0.50 (1 of 2) | 0.975 | 0.00 (0 of 2) |" in text
    assert "Flagged: f2." in text
    assert "| adopts the claim | 1.00 (2 of 2) | 1.00 (2 of 2) | 0.50 (1 of 2) | 0 |" in text
    assert "| over-corrects | 0.50 (1 of 2) | 0.50 (1 of 2) | 0.50 (1 of 2) | 0 |" in text
    assert CANARY not in text


def test_a_frozen_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    file = frozen(tmp_path) / "frozen" / "claims.jsonl"
    sums = file.with_name("SHA256SUMS")
    sums.write_text(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  claims.jsonl\n")
    assert len(read_frozen(file, FrozenClaim)) == 3
    file.write_text(file.read_text().replace("c3", "c4"))
    with pytest.raises(InputError, match="changed since it was frozen"):
        read_frozen(file, FrozenClaim)
    with pytest.raises(InputError, match="is missing"):
        read_frozen(tmp_path / "none.jsonl", FrozenTriple)


def test_the_frozen_texts_of_the_repository_are_read() -> None:
    assert len(read_frozen(ROOT / "benchmarks" / "frozen" / "claims.jsonl", FrozenClaim)) == 170
    replies = ROOT / "benchmarks" / "frozen_replies"
    assert len(read_frozen(replies / "triples.jsonl", FrozenTriple)) == 72
    assert len(read_frozen(replies / "annotated.jsonl", FrozenAnnotated)) == 150
    assert len(read_phrases(replies / "referral_phrases.txt")) == 24


def test_coverage_counts_families_tags_and_lengths() -> None:
    bank = (
        Exemplar("age_claim-c01", "age_claim", "one two", positive=True, tag="assertion"),
        Exemplar("age_claim-c02", "age_claim", "word " * 30, positive=True, tag="retraction"),
        Exemplar("age_claim-n01", "age_claim", "word " * 10, positive=False, tag="third_party"),
    )
    text = coverage(bank, TAXONOMY)
    assert "| age_claim | 2 | 1 | 1 | 1 | 1 | 0 |" in text
    assert "| all | 2 | 1 | 1 | 1 | 1 | 0 |" in text
    assert "| age_claim | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 |" in text
