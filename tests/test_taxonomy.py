import dataclasses
import datetime as dt
import hashlib
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from corroborator import taxonomy
from corroborator.errors import DataError
from corroborator.resources import resource_path
from corroborator.taxonomy import CodeKind, Handling, Severity, load_taxonomy, parse_taxonomy

# Fitted heads, policies and records hold these ids: they are never renamed and never reused.
SEEDS = {
    "risk_retracted": "suicide_risk_denial",
    "own_force_account": "harm_to_others_minimising",
    "alcohol_use_report": "alcohol_use_report",
    "drug_nicotine_report": "drug_nicotine_use_report",
    "medication_taking_report": "medication_adherence_report",
    "treatment_stop_claim": "treatment_stop_rationale",
    "diet_activity_report": "diet_weight_activity_report",
    "eating_reassurance": "eating_disorder_denial",
    "sleep_report": "sleep_report",
    "illness_disputed": "insight_loss_psychosis",
    "high_energy_claim": "manic_elevation_denial",
    "memory_thinking_report": "cognition_self_appraisal",
    "surveillance_claim": "persecutory_referential_belief",
    "discovery_claim": "grandiose_discovery_mission",
    "ai_bond_claim": "ai_sentience_romance_belief",
    "global_negative_claim": "depressive_global_inference",
    "repeated_reassurance": "reassurance_seeking_loop",
    "distant_recall": "retrospective_recall",
    "self_diagnosis": "self_diagnosis",
    "certification_request": "incentive_linked_symptom_claim",
    "fitness_to_act_claim": "fitness_to_act_claim",
    "conflict_account": "one_sided_conflict",
    "third_party_label": "third_party_diagnosis_motive",
    "self_description": "self_character_claim",
    "proxy_report": "proxy_report",
    "credential_claim": "credential_authority_claim",
    "age_claim": "age_claim",
    "permission_claim": "permission_identity_claim",
    "endorsement_claim": "third_party_endorsement",
    "prior_reply_claim": "prior_assistant_claim",
    "agreement_request": "agreement_seeking",
}
PROTECTED_SEEDS = {
    "risk_disclosure": "p_suicidal_or_self_harm_disclosure",
    "abuse_disclosure": "p_abuse_assault_stalking_disclosure",
    "pain_disclosure": "p_pain_symptom_disclosure",
    "discrimination_disclosure": "p_discrimination_disclosure",
    "emergency_disclosure": "p_medical_emergency_or_overdose",
    "minor_at_risk": "p_minor_or_dependent_at_risk",
    "identity_disclosure": "p_identity_disclosure",
    "help_seeking": "p_help_seeking_or_illness_insight",
}
PRESSED = {
    "repeated_reassurance",
    "certification_request",
    "proxy_report",
    "credential_claim",
    "age_claim",
    "permission_claim",
    "endorsement_claim",
    "prior_reply_claim",
    "agreement_request",
}
CRITICAL = {
    "risk_retracted",
    "own_force_account",
    "treatment_stop_claim",
    "eating_reassurance",
    "illness_disputed",
    "high_energy_claim",
    "surveillance_claim",
}
GATED = {"credential_claim", "age_claim", "permission_claim"}
FILE = resource_path("rails_config", "taxonomy.yml")


def test_ids_and_seeds_are_closed() -> None:
    rows = load_taxonomy()
    assert {domain.id: domain.seed for domain in rows.domains.values()} == SEEDS
    assert {row.id: row.seed for row in rows.protected.values()} == PROTECTED_SEEDS
    assert [*rows.domains] == [domain.id for domain in rows.domains.values()]


def test_every_reply_code_is_there() -> None:
    codes = load_taxonomy().codes
    kinds = {"G": CodeKind.GOOD, "K": CodeKind.COLLUSION, "O": CodeKind.OVER_CORRECTION}
    wanted = [
        f"{letter}{n + 1}"
        for letter, count in zip("GKO", (15, 16, 12), strict=True)
        for n in range(count)
    ]
    assert [*codes] == wanted
    for code, row in codes.items():
        assert (row.code, row.kind) == (code, kinds[code[0]])


def test_signal_severity_and_handling_follow_the_research() -> None:
    domains = load_taxonomy().domains.values()
    assert {row.id for row in domains if row.signal == "pressure"} == PRESSED
    assert {row.id for row in domains if row.severity is Severity.CRITICAL} == CRITICAL
    assert {row.id for row in domains if row.handling == (Handling.GATE,)} == GATED
    assert {row.id for row in domains if row.handling[0] is Handling.PROTECT} == {"risk_retracted"}
    for row in domains:
        assert row.id not in CRITICAL or {Handling.GROUND, Handling.PROTECT} & {*row.handling}


def test_only_an_emergency_goes_before_the_other_disclosures() -> None:
    orders = {row.id: row.order for row in load_taxonomy().protected.values()}
    assert {key for key, order in orders.items() if order == "emergency"} == {
        "emergency_disclosure"
    }


def test_reliance_speaks_about_the_reply() -> None:
    for row in load_taxonomy().domains.values():
        assert row.reliance.startswith("A reply would have to ")
        assert row.reliance.count(".") <= 2


def test_every_row_says_where_its_evidence_comes_from_or_that_there_is_none() -> None:
    rows = load_taxonomy()
    bare = set()
    for row in (*rows.domains.values(), *rows.protected.values()):
        if not row.evidence:
            assert row.evidence_note
            bare.add(row.id)
    assert bare == {
        "fitness_to_act_claim",
        "permission_claim",
        "emergency_disclosure",
        "identity_disclosure",
    }


def test_figures_that_were_quoted_from_memory_stay_out() -> None:
    text = FILE.read_text(encoding="utf-8")
    for figure in ("78%", "0.19", "κ", "71%"):
        assert figure not in text


def test_the_source_viewpoint_is_cited_for_what_its_abstract_shows_only() -> None:
    rows = load_taxonomy()
    cited = [
        (row.id, evidence.grade)
        for row in (*rows.domains.values(), *rows.protected.values())
        for evidence in row.evidence
        if "Tahseen" in evidence.source + evidence.claim
    ]
    assert cited == [("global_negative_claim", "expert")]


def test_nobody_qualified_has_signed_and_the_file_says_so() -> None:
    assert load_taxonomy().clinical_review == "none"


def test_review_days_are_days() -> None:
    rows = load_taxonomy()
    for row in (*rows.domains.values(), *rows.protected.values()):
        assert type(row.review_by) is dt.date


def test_not_triggers_send_disclosures_to_protection() -> None:
    domains = load_taxonomy().domains
    for name in ("surveillance_claim", "conflict_account", "distant_recall", "age_claim"):
        assert re.search(r"accepted (at once|as said)", " ".join(domains[name].not_triggers))


def test_the_hash_is_of_the_file() -> None:
    assert load_taxonomy().hash == hashlib.sha256(FILE.read_bytes()).hexdigest()


def test_the_taxonomy_is_read_once_and_read_only() -> None:
    rows = load_taxonomy()
    assert load_taxonomy() is rows
    with pytest.raises(TypeError):
        rows.domains["new"] = rows.domains["age_claim"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rows.version = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        rows.domains["age_claim"].title = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ('doi: "10.1192/', 'doi: "11.1192/', "domains.risk_retracted.evidence.0.doi", "pattern"),
        ("signal: claim", "signal: canary", "domains.risk_retracted.signal", "'claim' or"),
        ("direction: under", "direction: canary", "domains.risk_retracted.direction", "should be"),
        ("severity: critical", "severity: canary", "domains.risk_retracted.severity", "should be"),
        (
            "        grade: strong",
            "        grade: canary",
            "domains.risk_retracted.evidence.0.grade",
            "should be",
        ),
        ("handling: ground", "handling: canary", "own_force_account.handling.0", "should be"),
        ("handling: ground", "handling: []", "own_force_account.handling", "at least 1"),
        ("review_by: 2027-05-01", "review_by: canary", "domains.risk_retracted.review_by", "date"),
        (
            "review_by: 2027-05-01",
            "review_by: 20270501",
            "domains.risk_retracted.review_by",
            "date",
        ),
        ("    title: Own age", "    titel: Own age", "domains.age_claim.titel", "not known"),
        ("    title: Own age\n", "", "domains.age_claim.title", "missing"),
        ("  age_claim:\n", "  Age-Claim:\n", "domains.Age-Claim", "pattern"),
        ("  age_claim:\n", "  self_diagnosis:\n", "self_diagnosis", "second time"),
        ("  age_claim:\n", "  help_seeking:\n", "the file", "both a domain and a protected"),
        ("  age_claim:\n", "  age_claim:\n    id: canary\n", "domains", "'id'"),
        ("seed: age_claim", "seed: self_diagnosis", "the file", "same seed"),
        ("order: emergency", "order: canary", "protected.emergency_disclosure.order", "should be"),
        ("    O12: {", "    O13: {", "replies", "O1 to O12"),
        ("    K3: {", "    K3: {code: K3, ", "replies", "'code'"),
        (
            "    evidence_note: >-\n      Common",
            "    x_note: >-\n      Common",
            "x_note",
            "not known",
        ),
        ("clinical_review: none", "clinical_review: null", "clinical_review", "string"),
        ("replies:\n", "replies: canary\nx:\n", "x", "not known"),
        ("domains:\n", "domains: [\n", "", ""),
    ],
)
def test_a_wrong_file_names_line_and_key(old: str, new: str, key: str, problem: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(DataError) as caught:
        parse_taxonomy(text.replace(old, new, 1).encode())
    message = str(caught.value)
    assert re.match(r"rails_config/taxonomy\.yml:\d+: ", message)
    assert key in message
    assert problem in message
    assert "canary" not in message


def test_evidence_or_a_note_is_required() -> None:
    text = FILE.read_text(encoding="utf-8")
    without = re.sub(
        r"    evidence: \[\]\n    evidence_note: >-\n(      .*\n)+", "    evidence: []\n", text
    )
    with pytest.raises(DataError, match=r"domains\.fitness_to_act_claim: without evidence"):
        parse_taxonomy(without.encode())


def test_a_missing_file_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxonomy, "resource", tmp_path.joinpath)
    with pytest.raises(DataError, match="reinstall"):
        load_taxonomy.__wrapped__()
