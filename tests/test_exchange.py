from collections.abc import Sequence

import pytest

from conftest import GuardOf
from corroborator import Guard
from corroborator.audit import AuditLog
from corroborator.exchange import ChatMessages, exchange
from tiny_world import said

GOOD, COLLUDING, COLLUDING_AGAIN = "I hear you.", said("k1"), said("k4")
CLAIM = [{"role": "user", "content": said("alcohol_use_report")}]


class Scripted:
    """A language model that says what it was told to, and remembers its instructions."""

    def __init__(self, replies: Sequence[str]) -> None:
        self.replies = list(replies)
        self.instructions: list[str] = []

    def reply(self, messages: ChatMessages, instructions: str) -> str:
        assert messages[-1]["role"] == "user"
        self.instructions.append(instructions)
        return self.replies.pop(0)


class Broken:
    def reply(self, messages: ChatMessages, instructions: str) -> str:
        raise ConnectionError(f"refused after {len(messages)} messages, {len(instructions)}")


def test_a_good_draft_is_the_reply(guard: Guard) -> None:
    model = Scripted([GOOD])
    done = exchange(guard, model, CLAIM, instructions="Be brief.")
    assert done.reply == GOOD
    assert [draft.verdict.kind for draft in done.drafts] == ["release"]
    assert model.instructions == [f"Be brief.\n\n{done.turn.steering}"]


def test_a_colluding_draft_is_asked_for_again(guard: Guard) -> None:
    model = Scripted([COLLUDING, GOOD])
    done = exchange(guard, model, CLAIM)
    assert done.reply == GOOD
    guidance = done.drafts[0].verdict.guidance
    assert model.instructions[1] == f"{done.turn.steering}\n\n{guidance}"
    assert guidance.startswith("The draft")


def test_a_model_that_keeps_colluding_is_replaced(guard: Guard) -> None:
    model = Scripted([COLLUDING, COLLUDING_AGAIN, COLLUDING])
    done = exchange(guard, model, CLAIM)
    assert [draft.verdict.kind for draft in done.drafts] == ["revise", "revise", "replace"]
    assert done.reply == done.drafts[-1].verdict.text
    assert done.reply == guard.engine.texts.replacements.domains["alcohol_use_report"].text
    assert model.instructions[2].count("The draft") >= 2


def test_without_instructions_and_findings_the_model_gets_none(guard: Guard) -> None:
    model = Scripted([GOOD])
    exchange(guard, model, [{"role": "user", "content": "Good morning."}])
    assert model.instructions == [""]


def test_the_state_goes_on(guard: Guard) -> None:
    first = exchange(guard, Scripted([GOOD]), CLAIM)
    messages = [*CLAIM, {"role": "assistant", "content": first.reply}, *CLAIM]
    second = exchange(guard, Scripted([GOOD]), messages, state=first.closed.state)
    assert second.turn.outcome.after.threads[0].recurrences == 2


def test_a_model_that_fails_leaves_a_closed_turn(guard_of: GuardOf) -> None:
    with AuditLog.open("sqlite://") as log:
        guard = guard_of(audit=log)
        with pytest.raises(ConnectionError):
            exchange(guard, Broken(), CLAIM, conversation="c-1")
        report = log.verify()
    assert (report.closed, report.gaps) == (1, 0)
