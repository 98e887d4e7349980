import pytest

from corroborator.findings import Finding
from corroborator.statements import Statement
from tiny_world import CANARY


def test_the_margin_is_what_lies_above_the_threshold() -> None:
    statement = Statement(0, 0, 5, CANARY)
    finding = Finding("age_claim", False, statement, 1.2, 0.75, 0.5, 0.4, (), ())
    assert finding.margin == pytest.approx(0.25)
    assert CANARY not in repr(finding)
