import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.errors import InputError
from corroborator.exemplars import user_exemplars
from corroborator.review.accounts import Account
from corroborator.review.proposals import Draft, Proposals, copies
from corroborator.review.queue import Item
from review.desk import World
from tiny_world import CANARY, TAXONOMY, everything_told

GOOD = Draft("alcohol_use_report", True, "assertion", "Two small beers on a Friday, never more.")
HEARD = ["I told you about my two glasses of red again this evening."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "own"


@pytest.fixture
def proposals(world: World, folder: Path) -> Proposals:
    return Proposals(world.log, world.clock, TAXONOMY, folder)


def test_a_proposal_is_kept_with_where_it_came_from(
    proposals: Proposals, ann: Account, item: Item
) -> None:
    number = proposals.propose(item, ann, GOOD, HEARD, [])
    found = proposals.find(number)
    assert found is not None
    assert (found.chain, found.account, found.draft, found.accepted) == (
        item.chain,
        ann.id,
        GOOD,
        None,
    )
    assert [one.id for one in proposals.of_chains([item.chain])] == [number]
    assert [one.id for one in proposals.waiting()] == [number]


@pytest.mark.parametrize(
    ("draft", "problem"),
    [
        (Draft("no_family", True, "assertion", "A sentence."), "what the sentence is about"),
        (Draft("age_claim", True, "ordinary", "A sentence."), "how the sentence says it"),
        (Draft("age_claim", False, "assertion", "A sentence."), "how the sentence says it"),
        (Draft("age_claim", True, "assertion", ".."), "3 to 300"),
        (Draft("age_claim", True, "assertion", "x" * 301), "3 to 300"),
        (Draft("age_claim", True, "assertion", "Write to me@example.org please."), "leave out"),
        (Draft("age_claim", True, "assertion", "Ring 030 123 45 67 now."), "leave out"),
        (Draft("age_claim", True, "assertion", "About my two glasses of red."), "repeats"),
        (Draft("age_claim", True, "assertion", "A  known Sentence."), "already"),
    ],
)
def test_what_cannot_become_an_exemplar_is_refused(
    proposals: Proposals, ann: Account, item: Item, draft: Draft, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        proposals.propose(item, ann, draft, HEARD, ["a known sentence."])
    assert draft.text not in everything_told(caught.value) or len(draft.text) < 3
    assert proposals.all() == []


def test_what_is_accepted_is_an_exemplar_of_the_folder(
    proposals: Proposals, ann: Account, item: Item, folder: Path
) -> None:
    lead = ann
    first = proposals.find(proposals.propose(item, ann, GOOD, HEARD, []))
    second = proposals.find(
        proposals.propose(
            item,
            ann,
            Draft("risk_disclosure", False, "idiom_or_joke", "This queue kills me."),
            [],
            [],
        )
    )
    assert first is not None
    assert second is not None
    for one in (first, second):
        proposals.decide(one, lead, accepted=True, changed=3, decided=10)
    bank = {exemplar.id: exemplar for exemplar in user_exemplars(folder, TAXONOMY)}
    assert bank[first.exemplar.id] == first.exemplar
    assert bank[second.exemplar.id] == second.exemplar
    assert (folder / "protected" / "risk_disclosure.jsonl").is_file()
    line = json.loads((folder / "alcohol_use_report.jsonl").read_text("utf-8"))
    assert line["origin"] == "review"
    found = proposals.find(first.id)
    assert found is not None
    assert (found.accepted, found.changed, found.decided) == (True, 3, 10)
    with pytest.raises(InputError, match="already"):
        proposals.decide(found, lead, accepted=False, changed=0, decided=0)


def test_a_crash_after_writing_the_file_does_not_write_it_twice(
    proposals: Proposals, ann: Account, item: Item, folder: Path
) -> None:
    found = proposals.find(proposals.propose(item, ann, GOOD, HEARD, []))
    assert found is not None
    proposals._write(found.exemplar)
    proposals.decide(found, ann, accepted=True, changed=0, decided=0)
    assert len((folder / "alcohol_use_report.jsonl").read_text("utf-8").splitlines()) == 1


def test_without_a_folder_nothing_can_be_accepted(world: World, ann: Account, item: Item) -> None:
    proposals = Proposals(world.log, world.clock, TAXONOMY, None)
    found = proposals.find(proposals.propose(item, ann, GOOD, HEARD, []))
    assert found is not None
    with pytest.raises(InputError, match="exemplars: my-exemplars"):
        proposals.decide(found, ann, accepted=True, changed=0, decided=0)
    proposals.decide(found, ann, accepted=False, changed=0, decided=0)


def test_proposals_outlive_the_conversation_they_came_from(
    world: World, proposals: Proposals, ann: Account, item: Item
) -> None:
    number = proposals.propose(item, ann, GOOD, HEARD, [])
    world.log.erase("c")
    found = proposals.find(number)
    assert found is not None
    assert found.draft == GOOD


def test_a_short_sentence_that_was_said_is_a_copy() -> None:
    assert copies("I'm fine.", ["Well, i'm FINE, thanks."])
    assert not copies("I feel alright.", ["Well, I'm fine, thanks."])


@given(st.lists(st.sampled_from(["one", "two", "three", CANARY]), min_size=1, max_size=12))
def test_whoever_quotes_is_found(words: list[str]) -> None:
    text = " ".join(words)
    assert copies(text, ["Before this. " + text.upper() + ", and after."])
