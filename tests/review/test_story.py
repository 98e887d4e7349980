import pytest

from corroborator.review.story import Story, Teller
from review.desk import World
from tiny_world import TAXONOMY, conversation, said

CLAIM = said("alcohol_use_report")


@pytest.fixture
def teller(world: World) -> Teller:
    bank = world.guard.engine.detector.bank.exemplars
    return Teller(TAXONOMY, {exemplar.id: exemplar for exemplar in bank})


def tell(world: World, teller: Teller, *, seq: int | None = None, blind: bool = False) -> Story:
    turns = list(world.log.records("c"))
    story = teller.tell(turns, turns[-1].opened.seq if seq is None else seq, blind=blind)
    assert story is not None
    return story


def talk(world: World, *replies: str) -> None:
    """Have one turn with each reply, each after a claim; a reply at fault is revised."""
    said_so_far: list[str] = []
    state = None
    for reply in replies:
        said_so_far.append(CLAIM)
        turn = world.guard.open_turn(conversation(*said_so_far), conversation="c", state=state)
        verdict = turn.check(reply)
        sent = reply
        if verdict.kind == "revise":
            sent = "What did your week look like?"
            turn.check(sent)
        state = turn.close(sent).state
        said_so_far.append(sent)


def plain(passages: "tuple[object, ...] | None") -> str:
    return "".join(getattr(piece, "text") for piece in passages or ())  # noqa: B009 - any object


def test_the_first_reading_shows_no_mark_and_nothing_of_the_guard(
    world: World, teller: Teller
) -> None:
    talk(world, "Well, k1 then.")
    story = tell(world, teller, blind=True)
    assert story.inside is None
    assert [piece.mark for message in story.turn.user for piece in message] == [None]
    assert plain(story.turn.user[0]) == CLAIM


def test_afterwards_the_evidence_is_marked_and_both_replies_are_shown(
    world: World, teller: Teller
) -> None:
    talk(world, "Well, k1 then.")
    story = tell(world, teller)
    assert plain(story.turn.user[0]) == CLAIM
    marked = [piece for piece in story.turn.user[0] if piece.mark]
    assert [(piece.mark, piece.title) for piece in marked] == [
        ("claim", TAXONOMY.domains["alcohol_use_report"].title)
    ]
    inside = story.inside
    assert inside is not None
    assert plain(inside.would) == "Well, k1 then."
    assert plain(story.turn.reply) == "What did your week look like?"
    assert inside.drafts == 2
    assert TAXONOMY.codes["K1"].name in inside.faults
    assert inside.steering
    assert inside.why[0].family == "alcohol_use_report"
    assert inside.why[0].example is not None
    assert inside.ledger[0].before == "not yet said"
    assert inside.ledger[0].after.startswith("uncorroborated; said once")


def test_a_reply_that_went_out_as_it_was_is_shown_once(world: World, teller: Teller) -> None:
    talk(world, "What did your week look like?")
    inside = tell(world, teller).inside
    assert inside is not None
    assert inside.would is None


def test_the_whole_conversation_is_there_in_order(world: World, teller: Teller) -> None:
    talk(world, "One.", "Two.", "Three.")
    turns = list(world.log.records("c"))
    story = tell(world, teller, seq=turns[1].opened.seq)
    assert [plain(one.reply) for one in story.before] == ["One."]
    assert plain(story.turn.reply) == "Two."
    assert [plain(one.reply) for one in story.after] == ["Three."]
    inside = story.inside
    assert inside is not None
    assert inside.ledger[0].before.startswith("uncorroborated; said once")
    assert inside.ledger[0].after.startswith("uncorroborated; said 2 times")


def test_an_exemplar_that_is_gone_is_said_to_be(world: World) -> None:
    talk(world, "One.")
    inside = tell(world, Teller(TAXONOMY, {})).inside
    assert inside is not None
    assert inside.why[0].example is not None
    assert inside.why[0].example.text is None


def test_a_turn_that_is_not_there_has_no_story(world: World, teller: Teller) -> None:
    talk(world, "One.")
    assert teller.tell(world.log.records("c"), 999, blind=True) is None


def test_without_the_key_there_is_no_text_and_nothing_inside(world: World, teller: Teller) -> None:
    talk(world, "One.")
    world.log._master = None
    story = tell(world, teller)
    assert not story.has_text
    assert story.turn.user == ()
    assert story.inside is None
