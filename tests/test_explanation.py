import json
from typing import Any

import pytest

from conftest import GuardOf
from corroborator import Guard
from corroborator.explanation import explain
from tiny_world import CANARY, DOMAINS, PROTECTED, said


def test_every_head_is_told_gates_first(guard: Guard) -> None:
    heads = explain(guard.engine, said("age_claim")).heads
    assert {head.head for head in heads} == {
        *DOMAINS,
        *PROTECTED,
        "claim",
        "disclosure",
        "certainty",
    }
    assert {head.head for head in heads[:3]} == {"claim", "disclosure", "certainty"}
    assert heads[3].head == "age_claim"
    families = [head.margin for head in heads[3:]]
    assert families == sorted(families, reverse=True)


def test_a_finding_is_told_with_reliance_and_evidence(guard: Guard) -> None:
    told: Any = explain(guard.engine, said("alcohol_use_report")).to_json()
    json.dumps(told)
    assert told["clinical_review"] == "none"
    (finding,) = told["findings"]
    domain = guard.engine.taxonomy.domains["alcohol_use_report"]
    assert finding["id"] == "alcohol_use_report"
    assert finding["reliance"] == domain.reliance
    assert finding["mode"] == "steer"
    assert [item["doi"] for item in finding["evidence"]] == [item.doi for item in domain.evidence]
    assert finding["margin"] == pytest.approx(
        finding["probability"] - finding["threshold"], abs=1e-3
    )
    assert len(finding["nearest"]) == len(finding["contrasts"]) == 3
    assert told["decision"]["domains"] == ["alcohol_use_report"]
    assert told["steering"]


def test_a_disclosure_is_told_as_one(guard: Guard) -> None:
    told: Any = explain(guard.engine, said("abuse_disclosure")).to_json()
    (finding,) = told["findings"]
    assert (finding["mode"], finding["protected"]) == ("protect", True)
    assert "reliance" not in finding


def test_where_nothing_fires_the_nearest_are_told(guard: Guard) -> None:
    explanation = explain(guard.engine, "The train leaves at nine.")
    assert not explanation.outcome.detection.findings
    assert len(explanation.nearest) == len(explanation.contrasts) == 3
    assert all(head.margin < 0 for head in explanation.heads)


@pytest.mark.parametrize(
    "text", ["", " \n", "\x00", "Ich habe ihm heute Abend noch einmal alles davon erzählt."]
)
def test_what_cannot_be_judged_is_told_without_figures(guard: Guard, text: str) -> None:
    told = explain(guard.engine, text).to_json()
    assert told["findings"] == []
    assert told["nearest"] == []
    json.dumps(told, allow_nan=False)


def test_a_threshold_of_the_policy_is_told(guard_of: GuardOf) -> None:
    guard = guard_of("audit: {store: null}\ndomains: {age_claim: {mode: steer, threshold: 0.9}}")
    heads = {head.head: head for head in explain(guard.engine, CANARY).heads}
    assert heads["age_claim"].threshold == 0.9
