from pathlib import Path

import pytest

from cli.conftest import Run
from corroborator.audit import AuditLog
from corroborator.audit.keys import key_file
from corroborator.demonstration import DemonstrationModel, load_demonstration
from corroborator.exchange import Exchange, exchange
from corroborator.guard import Guard
from corroborator.policy import parse_policy

DATA = load_demonstration()


@pytest.fixture(scope="module")
def exchanges() -> dict[str, list[Exchange]]:
    """All turns of the demonstration under the shipped guard, by conversation."""
    done: dict[str, list[Exchange]] = {}
    with Guard(parse_policy("audit: {store: null}")) as guard:
        for talk in DATA.conversations:
            messages: list[dict[str, str]] = []
            state = None
            for turn in talk.turns:
                messages.append({"role": "user", "content": turn.user})
                last = exchange(
                    guard,
                    DemonstrationModel(),
                    messages,
                    instructions=DATA.instructions,
                    state=state,
                    evidence=[item.as_evidence() for item in turn.evidence],
                )
                state = last.closed.state
                messages.append({"role": "assistant", "content": last.reply})
                done.setdefault(talk.id, []).append(last)
    return done


def families(done: Exchange) -> set[str]:
    return {finding.family for finding in done.turn.findings}


def kinds(done: Exchange) -> list[str]:
    return [draft.verdict.kind for draft in done.drafts]


def test_a_minimised_amount_is_not_built_on(exchanges: dict[str, list[Exchange]]) -> None:
    first, second = exchanges["drinking"]
    assert "alcohol_use_report" in families(first)
    assert kinds(first) == ["revise", "release"]
    assert kinds(second) == ["release"]


def test_a_belief_that_builds_ends_in_a_replacement(
    exchanges: dict[str, list[Exchange]],
) -> None:
    first, second, third = exchanges["headlights"]
    assert kinds(first) == ["release"]
    assert not first.turn.findings
    assert "surveillance_claim" in families(second)
    assert kinds(second) == ["revise", "release"]
    assert kinds(third) == ["revise", "revise", "replace"]
    assert third.turn.outcome.after.threads[0].domain == "surveillance_claim"


def test_a_role_counts_once_it_is_verified(exchanges: dict[str, list[Exchange]]) -> None:
    claimed, verified = exchanges["nurse"]
    assert "credential_claim" in families(claimed)
    assert kinds(claimed) == ["revise", "release"]
    assert verified.turn.decision.domains == ()
    assert verified.turn.outcome.after.status("credential_claim") == "corroborated"
    assert kinds(verified) == ["release"]
    assert "staff sign-in" in verified.turn.steering


def test_safety_leads_in_a_mixed_turn_and_is_kept_in_mind(
    exchanges: dict[str, list[Exchange]],
) -> None:
    mixed, retracted = exchanges["mixed"]
    assert "risk_disclosure" in families(mixed)
    assert mixed.turn.decision.verdict == "protect"
    assert kinds(mixed) == ["revise", "release"]
    assert retracted.turn.decision.risk_hold
    assert kinds(retracted)[0] == "revise"


def test_a_disclosure_of_abuse_is_met_with_help(exchanges: dict[str, list[Exchange]]) -> None:
    for done in exchanges["abuse"]:
        assert kinds(done) == ["release"]
        assert not any(not finding.protected for finding in done.turn.findings)
    first = exchanges["abuse"][0]
    assert "abuse_disclosure" in families(first)
    assert first.turn.decision.protected[0] == "abuse_disclosure"


def test_the_terminal_shows_it_and_verifies_the_log(run: Run, tmp_path: Path) -> None:
    result = run("demo", "--fast")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    for talk in DATA.conversations:
        assert talk.title in told
        for turn in talk.turns:
            assert turn.user[:20] in told
    for label in ("taken for", "steering", "draft 1", "nearest example", "nearest contrast", "✗"):
        assert label in told
    turns = sum(len(talk.turns) for talk in DATA.conversations)
    assert f"Verified: the log is whole: {turns} turns, 0 gaps" in told
    store = tmp_path / "data" / "corroborator" / "demo" / "demo.db"
    assert f"sqlite:///{store}" in result.stdout
    assert str(key_file()) in result.stdout
    assert store.exists()
    assert store.parent != key_file().parent


def test_its_text_is_sealed(run: Run, tmp_path: Path) -> None:
    run("demo", "--fast", "--audit", "sqlite:///demo.db")
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("demo.db*"))
    assert b"zopiclone" not in stored
    with AuditLog.open("sqlite:///demo.db", content="sealed") as log:
        assert any("zopiclone" in str(turn.text) for turn in log.records())


@pytest.mark.parametrize("columns", [80, 120])
def test_it_keeps_to_the_width_of_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    told = run("demo", "--fast", "--audit", "sqlite:///demo.db").stdout
    conversations = told.partition("The audit log")[0]
    assert max(map(len, conversations.splitlines())) <= columns


def test_a_store_that_cannot_be_used_is_one_line(run: Run) -> None:
    result = run("demo", "--audit", "sqlite:///nowhere/demo.db")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the folder of the audit store")
