from dataclasses import replace

import pytest
from sqlalchemy import select

from corroborator.errors import InputError
from corroborator.review.accounts import Account
from corroborator.review.answers import Given, Judgement, verdict
from corroborator.review.disputes import Disputes
from corroborator.review.facts import Band
from corroborator.review.queue import Item
from corroborator.review.tables import answers
from review.desk import BOTH, World
from tiny_world import CANARY, said

STORES = BOTH

YES, NO = Judgement("yes", "no", "no"), Judgement("no", "no", "no")


def test_answers_are_appended_with_author_time_and_reason(
    world: World, ann: Account, item: Item
) -> None:
    world.answers.give(item, ann, "first", YES)
    world.answers.give(item, ann, "after", NO, "On second reading it does not.")
    first, second = world.answers.of_turn(item.turn, item.chain)
    assert (first.stage, first.judgement, first.reason) == ("first", YES, None)
    assert (second.stage, second.judgement) == ("after", NO)
    assert second.reason == "On second reading it does not."
    assert first.time < second.time
    assert first.account == second.account == ann.id


def test_a_first_answer_is_given_once(world: World, ann: Account, item: Item) -> None:
    world.answers.give(item, ann, "first", YES)
    with pytest.raises(InputError, match="already"):
        world.answers.give(item, ann, "first", NO)


def test_nobody_answers_afterwards_who_has_not_answered_blind(
    world: World, ann: Account, item: Item
) -> None:
    with pytest.raises(InputError, match="before you look"):
        world.answers.give(item, ann, "after", YES)


def test_a_change_needs_a_reason_and_so_does_a_decision(
    world: World, ann: Account, item: Item
) -> None:
    world.answers.give(item, ann, "first", YES)
    with pytest.raises(InputError, match="few words"):
        world.answers.give(item, ann, "after", NO)
    world.answers.give(item, ann, "after", replace(YES, fits="no"))
    with pytest.raises(InputError, match="few words"):
        world.answers.give(item, ann, "lead", YES, "  ")


def test_reasons_lie_under_seal_and_go_with_the_conversation(
    world: World, ann: Account, item: Item
) -> None:
    world.answers.give(item, ann, "first", YES)
    world.answers.give(item, ann, "after", YES, f"because of {CANARY}")
    tables = answers.metadata.sorted_tables
    dump = world.log.store.read(lambda c: [c.execute(select(table)).all() for table in tables])
    assert dump
    assert CANARY not in str(dump)
    world.log.erase("c")
    rows = world.log.store.read(lambda c: c.execute(select(answers)).all())
    assert [row.reason for row in rows] == [None, None]
    assert [row.rests for row in rows] == ["yes", "yes"]
    assert world.log.verify().ok


def test_the_chain_holds_a_commitment_to_each_answer(
    world: World, ann: Account, item: Item
) -> None:
    world.answers.give(item, ann, "first", YES)
    rows = world.log.store.read(
        lambda c: c.exec_driver_sql("SELECT body FROM events WHERE kind = 'reviewed'").all()
    )
    assert len(rows) == 1
    assert '"by":"ann"' in rows[0].body
    assert '"commitment":"' in rows[0].body
    assert "rests" not in rows[0].body


def test_a_store_without_text_keeps_no_reason(world: World, ann: Account, item: Item) -> None:
    world.answers.give(item, ann, "first", YES)
    world.log._master = None
    with pytest.raises(InputError, match="no text"):
        world.answers.give(item, ann, "after", YES, "why")


def test_what_is_flagged_is_read_by_another_first(world: World, ann: Account, item: Item) -> None:
    world.answers.give(item, ann, "first", replace(NO, urgent=True))
    world.queue.release(item.turn, ann)
    ben = world.account("ben")
    found = world.queue.take(ben)
    assert found is not None
    assert (found.turn, found.band) == (item.turn, Band.URGENT)


def test_what_is_flagged_afterwards_is_read_by_another_too(
    world: World, ann: Account, item: Item
) -> None:
    world.answers.give(item, ann, "first", NO)
    world.answers.give(item, ann, "after", replace(NO, urgent=True), "I saw it late.")
    world.queue.release(item.turn, ann)
    found = world.queue.take(world.account("ben"))
    assert found is not None
    assert (found.turn, found.band) == (item.turn, Band.URGENT)


def test_contradictions_go_to_the_lead_safety_first(world: World) -> None:
    ann, ben = world.account("ann"), world.account("ben")
    for text in (said("age_claim"), said("risk_disclosure")):
        world.say(text, "k1, I see.")
    world.index.refresh()
    for account, judgement in ((ann, YES), (ben, NO)):
        for number in (1, 2):
            item = world.queue.item(number)
            assert item is not None
            world.answers.give(item, account, "first", judgement)
    disputes = Disputes(world.log)
    waiting = disputes.waiting()
    assert [one.turn for one in waiting] == [2, 1]
    assert [one.verdict.disputed for one in waiting] == [("rests",)] * 2
    assert waiting[0].verdict.safety
    item = world.queue.item(2)
    assert item is not None
    world.answers.give(item, world.account("lead", "lead"), "lead", YES, "It does.")
    assert [one.turn for one in disputes.waiting()] == [1]
    assert not disputes.is_waiting(2)
    decided = next(one for one in disputes.reviewed() if one.turn == 2)
    assert decided.verdict.judgement == YES


def test_nothing_that_was_erased_stays_in_memory(world: World, ann: Account, item: Item) -> None:
    world.answers.give(item, ann, "first", YES)
    disputes = Disputes(world.log)
    assert [one.family for one in disputes.reviewed()] == ["alcohol_use_report"]
    world.log.erase("c")
    assert [(one.family, one.language) for one in disputes.reviewed()] == [(None, None)]


def given(account: int, judgement: Judgement, stage: str = "first") -> Given:
    return Given(account, 1, account, stage, "", judgement, None)  # type: ignore[arg-type]


def test_a_doubt_contradicts_nobody() -> None:
    found = verdict([given(1, YES), given(2, Judgement("unsure", "no", "unsure"))], urgent=False)
    assert found.disputed == ()
    assert found.judgement == YES


def test_the_latest_answer_of_each_counts() -> None:
    found = verdict([given(1, YES), given(2, NO), given(2, YES, "after")], urgent=False)
    assert found.disputed == ()
    assert found.judgement.rests == "yes"


def test_a_contradiction_is_no_answer_until_it_is_decided() -> None:
    found = verdict([given(1, YES), given(2, NO)], urgent=False)
    assert found.judgement.rests == "unsure"
    assert not found.safety
    assert verdict([given(1, replace(YES, urgent=True)), given(2, NO)], urgent=False).safety
