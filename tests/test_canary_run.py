from dataclasses import replace

import pytest

from corroborator.canary_run import CanaryReport, HeadCheck, run_canaries
from corroborator.engine import Engine
from corroborator.heads import Heads
from corroborator.policy import parse_policy
from corroborator.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
CONSTANTS = [
    "claim",
    "disclosure",
    "certainty",
    "alcohol_use_report",
    "surveillance_claim",
    "abuse_disclosure",
    "help_seeking",
    "collusion",
    "over_correction",
    "K1",
    "O12",
]


def constant(heads: Heads, name: str, value: float) -> Heads:
    """Return heads of which one gate or family says the same of everything."""
    if name in heads.gates:
        gate = replace(heads.gates[name], slope=0.0, offset=value)
        return replace(heads, gates={**heads.gates, name: gate})
    weights, biases = heads.weights.copy(), heads.biases.copy()
    row = heads.classes.index(name)
    weights[row], biases[row] = 0, value
    return replace(heads, weights=weights, biases=biases)


def with_constant(engine: Engine, name: str, value: float) -> Engine:
    detector, checker = engine.detector, engine.checker
    if name in checker.heads.names:
        checker = replace(checker, heads=constant(checker.heads, name, value))
    elif name in detector.certainty.names:
        detector = replace(detector, certainty=constant(detector.certainty, name, value))
    else:
        detector = replace(detector, heads=constant(detector.heads, name, value))
    return replace(engine, detector=detector, checker=checker)


def all_names(engine: Engine) -> list[str]:
    detector = engine.detector
    return [*detector.heads.names, "certainty", *engine.checker.heads.names]


@pytest.fixture(scope="module")
def report(shipped_engine: Engine) -> CanaryReport:
    return run_canaries(shipped_engine)


def test_the_shipped_heads_work(report: CanaryReport) -> None:
    assert [(head.head, head.failures) for head in report.failing] == []


def test_every_head_is_looked_at(report: CanaryReport, shipped_engine: Engine) -> None:
    assert sorted(head.head for head in report.heads) == sorted(all_names(shipped_engine))
    assert report.canaries >= 4 * (len(TAXONOMY.domains) + len(TAXONOMY.protected))


def test_misses_are_told_with_what_happened(report: CanaryReport) -> None:
    assert report.misses == sum(len(head.misses) for head in report.heads)
    for head in report.heads:
        assert all(miss.found and miss.wanted in ("fire", "stay quiet") for miss in head.misses)


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, 0.0) for name in CONSTANTS), ("alcohol_use_report", -9.0), ("help_seeking", 9.0)],
)
def test_a_head_replaced_by_a_constant_fails(
    shipped_engine: Engine, name: str, value: float
) -> None:
    failing = run_canaries(with_constant(shipped_engine, name, value)).failing
    assert name in [head.head for head in failing]


@pytest.mark.slow
def test_every_head_replaced_by_a_constant_fails(shipped_engine: Engine) -> None:
    for name in all_names(shipped_engine):
        failing = run_canaries(with_constant(shipped_engine, name, 0.0)).failing
        assert name in [head.head for head in failing]


def test_a_gate_that_always_fires_fails_every_family(shipped_engine: Engine) -> None:
    failing = run_canaries(with_constant(shipped_engine, "claim", 9.0)).failing
    checks = {head.head: head for head in failing}
    assert "all of its near misses fire" in checks["alcohol_use_report"].failures


def test_domains_that_are_off_are_not_looked_at(shipped_engine: Engine) -> None:
    policy = parse_policy("domains: {age_claim: {mode: off}}")
    engine = Engine.load(policy, shipped_engine.encoder)
    heads = [head.head for head in run_canaries(engine).heads]
    assert "age_claim" not in heads
    assert "permission_claim" in heads


def test_a_threshold_that_nothing_reaches_is_found(shipped_engine: Engine) -> None:
    policy = parse_policy("domains: {age_claim: {mode: steer, threshold: 0.999999}}")
    engine = Engine.load(policy, shipped_engine.encoder)
    checks = {head.head: head for head in run_canaries(engine).heads}
    assert any(miss.wanted == "fire" for miss in checks["age_claim"].misses)


def test_a_report_counts() -> None:
    report = CanaryReport((HeadCheck("a", 4, (), ()), HeadCheck("b", 2, (), ("broken",))))
    assert (report.canaries, report.misses, report.failing) == (6, 0, (report.heads[1],))
