from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import PolicyOf
from corroborator.engine import Engine
from corroborator.evaluation import left_out
from corroborator.evaluation.labels import ReplyLabel
from corroborator.evaluation.left_out import ALONE, LeftOut
from corroborator.phrasing import Phrasing
from corroborator.scoring import Scorer
from tiny_world import WordEncoder, said


def label(source: str, number: int) -> ReplyLabel:
    return ReplyLabel(
        id=f"{source}{number}",
        source=source,
        user=said("surveillance_claim"),
        reply="They do follow you.",
        collusive=True,
    )


LABELS = tuple(label(source, n) for source in ("chat", "clinic", "forum") for n in range(2))


def surer(phrasing: Phrasing, by: float) -> Phrasing:
    blends = {gate: replace(blend, offset=by) for gate, blend in phrasing.blends.items()}
    return replace(phrasing, blends=blends)


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the sources of each fit; a fit is the surer the more rows it learnt from."""
    fits: list[list[str]] = []

    def fit(sentences: Any, labels: Sequence[ReplyLabel]) -> Phrasing:
        fits.append(sorted({row.source for row in labels}))
        return surer(sentences.phrasing, 0.1 * len(labels))

    monkeypatch.setattr(left_out, "fit_whole_replies", fit)
    return fits


@pytest.fixture
def scorer(tiny_policy: PolicyOf) -> Scorer:
    engine = Engine.load(tiny_policy(), WordEncoder())
    manifest = engine.model.manifest.model_copy(update={"labelled": {"chat": 2, "forum": 2}})
    checker = replace(engine.checker, phrasing=surer(engine.checker.phrasing, 0.9))
    return Scorer(replace(engine, model=replace(engine.model, manifest=manifest), checker=checker))


def test_a_source_is_judged_by_a_fit_that_did_not_learn_from_it(
    scorer: Scorer, learnt: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    checker = scorer.engine.checker
    known = SimpleNamespace(heads=checker.heads, phrasing=checker.phrasing)
    monkeypatch.setattr(LeftOut, "_sentences", known)  # fitting them takes a minute
    judged = LeftOut(scorer, LABELS)
    told = [judged.judge(row) for row in LABELS]
    assert learnt == [["forum"], [], ["chat"]]  # each once
    shipped = scorer.reply(LABELS[2].messages)["score"]
    assert told[2]["score"] == told[3]["score"] == shipped
    assert told[0]["score"] == told[4]["score"] != shipped
    assert {row[ALONE] for row in told} != {row["score"] for row in told}
    assert len({row[ALONE] for row in told}) == 1


def test_a_model_that_learnt_from_no_labels_judges_all_itself(
    tiny_policy: PolicyOf, learnt: list[list[str]]
) -> None:
    scorer = Scorer(Engine.load(tiny_policy(), WordEncoder()))
    assert LeftOut(scorer, LABELS).judge(LABELS[0]) == scorer.reply(LABELS[0].messages)
    assert not learnt
