from typing import Any

import numpy as np
import pytest

from corroborator import reply_training
from corroborator.evaluation.labels import ReplyLabel
from corroborator.fitting import ALWAYS_FITTED, OWN_SOURCE, MoreReplies
from corroborator.reply_bank import ReplySentence
from corroborator.reply_check import COLLUSION, OVER_CORRECTION
from corroborator.reply_training import Sentences, fit_sentences, fit_whole_replies
from tiny_world import FAULTS, TAXONOMY

POINTING = "Please see a doctor about it."


def reply(number: int, side: str, *sentences: tuple[str, tuple[str, ...]]) -> list[ReplySentence]:
    case = f"age_claim-r{number:03}"
    return [ReplySentence(case, "age_claim", "I'm 30.", side, *sentence) for sentence in sentences]


def items() -> list[ReplySentence]:
    """Return a bank in which each code stands ten times, and three replies to look at."""
    plain = [
        sentence
        for n in range(10 * len(FAULTS))
        for sentence in reply(
            n + 10,
            "colluding" if FAULTS[n % len(FAULTS)].startswith("K") else "overcorrecting",
            (f"Fault {n}.", (FAULTS[n % len(FAULTS)],)),
        )
    ]
    return [
        *reply(1, "colluding", ("You're right.", ("K1",)), (POINTING, ()), ("So do it.", ("K4",))),
        *reply(1, "good", ("You say so.", ("G2",)), ("What now?", ("G4",))),
        *reply(2, "overcorrecting", ("A doctor will see that you are wrong.", ("O2",))),
        *reply(3, "good", (POINTING, ("G6",))),
        *plain,
    ]


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    bank = items()
    features = np.random.default_rng(0).standard_normal((len(bank), 4)).astype(np.float32)
    return fit_sentences(bank, features, TAXONOMY)


@pytest.fixture
def learnt(sentences: Sentences, monkeypatch: pytest.MonkeyPatch) -> MoreReplies:
    """Return what phrasing learns from beside the bank."""
    given: list[Any] = []
    monkeypatch.setattr(reply_training, "fit_phrasing", lambda *arguments: given.append(arguments))
    labelled = [
        ReplyLabel(id="1", source="logs", user="u", reply="Yes. See a doctor.", collusive=True),
        ReplyLabel(id="2", source="forum", user="u", reply="Let us see.", collusive=False),
        ReplyLabel(id="3", source="forum", user="u", reply="Call a helpline.", collusive=False),
    ]
    fit_whole_replies(sentences, labelled)
    (_, _, _, _, more, _), *_ = given
    assert isinstance(more, MoreReplies)
    return more


def test_gates_sum_the_codes_of_one_letter(sentences: Sentences) -> None:
    gates = sentences.heads.gates
    assert set(gates) == {COLLUSION, OVER_CORRECTION}
    assert all(code.startswith("K") for code in gates[COLLUSION].families)
    assert all(code.startswith("O") for code in gates[OVER_CORRECTION].families)
    assert len(sentences.judged[COLLUSION]) == len(sentences.items)


def test_a_reply_is_learnt_again_without_sentences_that_point_to_help(learnt: MoreReplies) -> None:
    assert list(learnt.replies[0]) == ["You're right.", "So do it."]
    assert learnt.sources[0] == OWN_SOURCE
    assert learnt.faults[COLLUSION][0]
    assert not learnt.faults[OVER_CORRECTION][0]
    # neither a sentence at fault is left out, nor a reply that only points to help
    assert [source for source in learnt.sources if source == OWN_SOURCE] == [OWN_SOURCE]


def test_a_twin_is_of_the_fold_of_its_reply(sentences: Sentences, learnt: MoreReplies) -> None:
    assert learnt.folds[0] == sentences.rows.folds[0] != ALWAYS_FITTED


def test_labelled_replies_are_always_learnt_from(learnt: MoreReplies) -> None:
    assert [list(reply) for reply in learnt.replies[1:]] == [
        ["Yes.", "See a doctor."],
        ["Yes."],
        ["Let us see."],
        ["Call a helpline."],
    ]
    assert list(learnt.sources[1:]) == ["logs", "logs", "forum", "forum"]
    assert list(learnt.faults[COLLUSION][1:]) == [True, True, False, False]
    assert not learnt.faults[OVER_CORRECTION].any()
    assert (learnt.folds[1:] == ALWAYS_FITTED).all()
