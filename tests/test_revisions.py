"""The texts that a reader judges: ``benchmarks/revisions.py``."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from corroborator.drafts import REVISION_WORDS
from corroborator.taxonomy import load_taxonomy
from scripts import load_script


@pytest.fixture(scope="module")
def revisions() -> ModuleType:
    return load_script("benchmarks/revisions.py")


def test_a_hundred_texts_over_all_domains_are_read(revisions: ModuleType) -> None:
    cases = revisions.cases()
    assert len({case.id for case in cases}) == revisions.COUNT
    replaced = {case.about for case in cases if case.kind == "replace"}
    assert replaced >= set(load_taxonomy().domains)
    guidance = [case.text for case in cases if case.kind == "revise"]
    assert all(0 < len(text.split()) <= REVISION_WORDS for text in guidance)


def test_a_text_that_has_changed_counts_as_not_read(
    revisions: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = revisions.cases()
    yes = dict.fromkeys([q for asked in revisions.ASKED.values() for q in asked], True)
    answers = {**yes, "good_codes": ["G1", "G11"], "fault_codes": []}
    known = [{"hash": cases[0].hash, **answers}, {"hash": "of another text", **answers}]
    (tmp_path / "revisions").mkdir()
    (tmp_path / "revisions" / "judgements.jsonl").write_text("\n".join(map(json.dumps, known)))
    monkeypatch.setattr(revisions, "HERE", tmp_path)
    monkeypatch.setattr(revisions, "cases", lambda: cases)
    table = revisions.table()
    assert "1 of 100 texts were read as they are now" in table
    assert "| helps | 1 of 1 |" in table
    assert "Good codes seen: G1 1, G11 1. Faults seen: none." in table
