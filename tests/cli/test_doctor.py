from pathlib import Path

from cli.conftest import Run


def test_a_whole_installation(run: Run, tmp_path: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    assert "problem" not in result.output
    for name in ("versions", "encoder", "detectors", "master key", "audit store", "languages"):
        assert name in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_told_with_its_remedy(run: Run) -> None:
    result = run("doctor", "--audit", "sqlite:///nowhere/log.db")
    assert result.exit_code == 1
    told = " ".join(result.stdout.split())
    assert "problem audit store" in told
    assert "does not exist; make it" in told
    assert result.stderr == "error: 1 problem; see above\n"


def test_a_broken_policy_is_a_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rails.yml").write_text("profile: generall\n", "utf-8")
    result = run("doctor", "--policy", "rails.yml")
    assert result.exit_code == 1
    assert "rails.yml:1" in result.stdout
