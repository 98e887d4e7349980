from datetime import date

import pytest

from corroborator.review.answers import Judgement
from corroborator.review.counts import Counts, Period, Slice
from corroborator.review.disputes import Disputes, Reviewed
from corroborator.review.facts import Band
from corroborator.review.overview import agreements, default_period, overview
from corroborator.review.quality import Quality
from review.desk import BOTH, World
from tiny_world import TAXONOMY, said

STORES = BOTH

YES, NO = Judgement("yes", "no", "no"), Judgement("no", "no", "no")
JUNE = Period(date(2026, 6, 1), date(2026, 7, 1))


@pytest.fixture
def weeks(world: World) -> World:
    """Some weeks of turns, read by two reviewers."""
    for _ in range(6):
        world.say(said("alcohol_use_report"), "Well, k1 then.")
        world.say(said("age_claim"), "What did your week look like?")
        world.say(said("abuse_disclosure"), "I am glad that you told me.")
        world.say("We had soup at noon.", "Soup is nice.")
        world.clock.move(days=2)
    world.index.refresh()
    ann, ben = world.account("ann"), world.account("ben")
    for account in (ann, ben):
        while (item := world.queue.take(account)) is not None:
            right = YES if item.family == "alcohol_use_report" else NO
            world.answers.give(item, account, "first", right)
            if item.family == "abuse_disclosure":
                fits = Judgement("no", "no", "no", fits="yes")
                world.answers.give(item, account, "after", fits)
            world.queue.release(item.turn, account)
    world.index.refresh()
    return world


def quality(world: World, wanted: Slice | None = None) -> Quality:
    reviewed = Disputes(world.log).reviewed()
    return Quality(reviewed, Counts.read(world.log, JUNE), TAXONOMY.protected, wanted or Slice())


def test_precision_is_by_family_and_of_disclosures_whether_the_steering_fitted(
    weeks: World,
) -> None:
    found = quality(weeks)
    assert found.precision("alcohol_use_report").value == 1
    assert found.precision("age_claim").value == 0
    assert found.precision("abuse_disclosure").value == 1
    assert found.precision("alcohol_use_report").reviewed == 6
    assert found.precision().value == pytest.approx(2 / 3, abs=1e-6)


def test_the_miss_rate_comes_from_the_random_sample(weeks: World) -> None:
    missed = quality(weeks).missed()
    assert (missed.share.hits, missed.share.reviewed) == (0, 6)
    assert missed.bound == pytest.approx(1 - 0.05 ** (1 / 6))


def one(sample: float | None, band: Band, rests: str) -> Reviewed:
    judgement = Judgement(rests, "no", "no")  # type: ignore[arg-type] # one of its literals
    verdict = type("V", (), {"judgement": judgement})()
    return Reviewed(1, "c", None, "en", "1", "2026-06-02", band, sample, (), verdict)


def test_turns_read_for_another_reason_count_only_as_far_as_the_sample_went() -> None:
    reviewed = [
        one(0.1, Band.SAMPLE, "no"),
        one(0.2, Band.NEAR, "yes"),  # within what was drawn: it counts
        one(0.3, Band.SAMPLE, "no"),
        one(0.9, Band.NEAR, "yes"),  # beyond it: it was chosen for its score
        one(0.25, Band.SAMPLE, "unsure"),
        one(None, Band.FIRED, "no"),
    ]
    missed = Quality(reviewed, Counts({})).missed()
    assert (missed.share.hits, missed.share.reviewed, missed.unsure) == (1, 3, 1)


def test_the_overview_gathers_everything(weeks: World) -> None:
    period = default_period(weeks.log)
    assert period.days == 11
    shown = overview(Disputes(weeks.log), weeks.settings, TAXONOMY, JUNE, Slice())
    assert shown.counts["turns"] == 24
    assert {group.name: group.fired for group in shown.families} == {
        "alcohol_use_report": 6,
        "age_claim": 6,
        "abuse_disclosure": 6,
    }
    assert [group.protected for group in shown.families].count(True) == 1
    assert len(shown.points) == len(shown.series[0].values) == 30
    assert {s.name for s in shown.series} == {"found", "acted on", "colludes", "over-corrects"}
    assert shown.events["reviewed"] > 24
    assert shown.median is not None
    narrow = overview(
        Disputes(weeks.log),
        weeks.settings,
        TAXONOMY,
        JUNE,
        Slice(family="age_claim", language="en"),
    )
    assert {s.name for s in narrow.series} == {"found", "colludes", "over-corrects"}


def test_agreement_is_of_first_answers_alone(weeks: World) -> None:
    found = agreements(Disputes(weeks.log).reviewed())
    assert found["rests"].share == 1
    assert found["rests"].units >= 1
    assert found["fits"].share in (None, 1)


def test_the_days_are_those_of_turns_and_not_of_readings(weeks: World) -> None:
    last = default_period(weeks.log).end
    weeks.clock.move(days=40)
    weeks.log.append(None, "accessed", {})
    weeks.index.refresh()
    assert default_period(weeks.log).end == last
    july = Period(date(2026, 7, 1), date(2026, 8, 1))
    assert Counts.read(weeks.log, july).events == {"accessed": 1}
