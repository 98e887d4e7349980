"""A guard that runs takes up a changed policy, whole or not at all."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from conftest import PolicyOf
from corroborator import Guard
from corroborator.audit import AuditLog, StoredTurn
from corroborator.errors import ConfigError, InputError, StoreError
from corroborator.stored_record import read_detail, read_versions
from tiny_world import WordEncoder, said

CLAIM = [{"role": "user", "content": said("age_claim")}]
ADOPTS = "That is k1 of you, and k4."
STEERS, OBSERVES = "profile: general", "profile: observe"
THREADS, TURNS, RELOADS = 16, 12, 6

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, tiny_model: Path) -> Write:
    """Write the policy file."""

    def written(text: str, audit: str = "store: null") -> Path:
        path = tmp_path / "rails.yml"
        path.write_text(f"model: {tiny_model}\n{text}\naudit: {{{audit}}}\n", "utf-8")
        return path

    return written


@pytest.fixture
def guard(write: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    monkeypatch.setattr("corroborator.guard.load_encoder", lambda _spec: WordEncoder())
    with Guard.from_yaml(write(STEERS)) as guard:
        yield guard


def test_turns_go_by_the_new_policy_and_one_in_progress_ends_by_the_old(
    guard: Guard, write: Write
) -> None:
    before = guard.policy
    turn = guard.open_turn(CLAIM, conversation="old")
    write(OBSERVES)
    assert guard.reload()
    later = guard.open_turn(CLAIM, conversation="new")
    assert (turn.check(ADOPTS).kind, later.check(ADOPTS).kind) == ("revise", "release")
    assert turn.engine.policy is before
    assert later.engine.policy is guard.policy
    for one in (later, turn):
        one.close(ADOPTS)
    hashes = [read_versions(stored)["policy"] for stored in guard.audit.records()]
    assert hashes == [before.hash, guard.policy.hash]
    assert not guard.reload()


def test_texts_are_read_again_too(guard: Guard, write: Write, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    own = "domains: {age_claim: {guidance: Be kind., brief: Be kind.}}\n"
    (tmp_path / "texts" / "steering.yml").write_text(own, "utf-8")
    write("texts: texts")
    assert guard.reload()
    assert guard.open_turn(CLAIM).steering == "Be kind."
    (tmp_path / "texts" / "steering.yml").write_text(own.replace("kind", "near"), "utf-8")
    assert guard.reload()
    assert guard.open_turn(CLAIM).steering == "Be near."
    texts = [change.body["after"]["texts"] for change in guard.audit.configurations()]  # type: ignore[index,call-overload]
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("text", "audit", "line", "told"),
    [
        ("domains: {age_clam: {mode: off}}", "store: null", 2, "did you mean age_claim"),
        ("texts: missing", "store: null", None, "there is no such folder"),
        (STEERS, "store: 'sqlite:///elsewhere.db'", 3, "audit.store: cannot change"),
        (STEERS, "store: null, content: sealed", 3, "content: sealed needs a store"),
    ],
)
def test_a_file_that_does_not_hold_leaves_all_as_it_was(
    guard: Guard, write: Write, text: str, audit: str, line: int | None, told: str
) -> None:
    before = guard.engine
    path = write(text, audit)
    with pytest.raises(ConfigError, match=told) as caught:
        guard.reload()
    assert caught.value.line == line
    if line is not None:
        assert str(caught.value).startswith(f"{path}:{line}: ")
    assert guard.engine is before
    assert len(list(guard.audit.configurations())) == 1
    assert guard.open_turn(CLAIM).check(ADOPTS).kind == "revise"


def test_a_guard_without_a_file_is_told_which(tiny_policy: PolicyOf, write: Write) -> None:
    with Guard(tiny_policy(), encoder=WordEncoder()) as guard:
        with pytest.raises(InputError, match="give the path"):
            guard.reload()
        assert guard.reload(write(OBSERVES))
        assert guard.policy.profile == "observe"


# --- what the log says of it ---


def test_the_log_says_what_changed(guard: Guard, write: Write) -> None:
    before = guard.policy.hash
    write(STEERS, "store: null, retention: 8w")
    guard.reload()
    write(OBSERVES, "store: null, retention: 8w")
    guard.reload()
    guard.reload()
    first, kept, last = [change.body for change in guard.audit.configurations()]
    assert first["before"] is None
    assert kept["before"] == first["after"]
    assert kept["after"] == {**first["after"], "retention_hours": 8 * 7 * 24}  # type: ignore[dict-item]
    assert last["before"] == kept["after"]
    assert (first["after"]["policy"], last["after"]["policy"]) == (before, guard.policy.hash)  # type: ignore[index,call-overload]
    assert guard.audit.verify().ok


def test_a_process_that_opens_a_log_with_another_configuration_says_so(
    tiny_policy: PolicyOf, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    policies = [tiny_policy(f"profile: {name}") for name in ("general", "general", "observe")]
    for policy in policies:
        with AuditLog.open(url) as log:
            Guard(policy, encoder=WordEncoder(), audit=log)
    with AuditLog.open(url) as log:
        hashes = [change.body["after"]["policy"] for change in log.configurations()]  # type: ignore[index,call-overload]
        assert hashes == [policies[0].hash, policies[2].hash]
        assert log.verify().ok


def test_a_log_that_fails_keeps_the_old_policy_where_it_blocks(
    guard: Guard, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    guard.audit.close()
    write(OBSERVES)
    assert guard.reload()  # the general profile releases
    assert "the audit log failed" in caplog.text
    write(STEERS, "store: null, on_error: block")
    with pytest.raises(StoreError):
        guard.reload()
    assert guard.policy.profile == "observe"


# --- many threads ---


def test_no_turn_of_sixteen_threads_sees_some_of_both(guard: Guard, write: Write) -> None:
    over = Event()

    def talk(number: int) -> int:
        turns = 0
        while turns < TURNS or not over.is_set():
            turn = guard.open_turn(CLAIM, conversation=f"c-{number}")
            turn.check(ADOPTS)
            turn.close(ADOPTS)
            turns += 1
        return turns

    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(talk, number) for number in range(THREADS)]
        try:
            for number in range(RELOADS):
                write(OBSERVES if number % 2 == 0 else STEERS)
                assert guard.reload()
        finally:
            over.set()
        taken = sum(one.result() for one in running)
    assert guard.audit.verify().ok
    turns = list(guard.audit.records())
    assert len(turns) == taken
    changes = [(change.time, change.body["after"]) for change in guard.audit.configurations()]
    assert len(changes) == 1 + RELOADS
    told: dict[str, str] = {}
    for time, after in changes:
        told.setdefault(after["policy"], time)  # type: ignore[index,call-overload,arg-type]
    seen = {_judged_by_one(turn, told) for turn in turns}
    assert seen == {("steer", "revise"), ("none", "release")}


def _judged_by_one(turn: StoredTurn, told: dict[str, str]) -> tuple[str, str]:
    """Check that one policy, and one that the log knew, judged a turn; return what it did."""
    assert turn.closed is not None
    assert turn.opened.body["versions"] == turn.closed.body["versions"]
    assert told[read_versions(turn)["policy"]] <= turn.opened.time
    detail = read_detail(turn)
    assert detail is not None
    return detail.decision.action, detail.drafts[0].kind
