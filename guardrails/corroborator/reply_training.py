"""What judges replies, from the bank and, where there are any, from labelled replies of others.

A sentence is learnt from the bank alone, whose sentences have codes. Phrasing is learnt from whole
replies, so those of others can help: they are longer, and many models wrote them. Each reply that
points to help is learnt from a second time without these sentences, because by their words alone
colluding and fine replies could be told apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corroborator.evaluation.labels import ReplyLabel
from corroborator.evaluation.settings import load_settings
from corroborator.fitting import (
    ALWAYS_FITTED,
    OWN_SOURCE,
    MoreReplies,
    Rows,
    fit_and_judge,
    fit_phrasing,
)
from corroborator.heads import Floats, Heads
from corroborator.phrasing import Phrasing
from corroborator.reply_bank import ReplySentence
from corroborator.reply_check import COLLUSION, OVER_CORRECTION, Features
from corroborator.statements import normalise, read_whole
from corroborator.taxonomy import Taxonomy

FOLDS = 5

SENTENCE_STRENGTH, PHRASING_STRENGTH = 3.0, 10.0
"""Inverse regularisation (scikit-learn's C)."""

FIRES = 0.03
"""Share of good replies, held out, that thresholds let fire.

What that means for replies of other sources is told in ``docs/accuracy.md``.
"""


@dataclass(frozen=True)
class Sentences:
    """What was fitted on the sentences of the bank.

    Attributes:
        items: the bank.
        rows: its sentences as features and classes.
        heads: what was fitted.
        judged: gate -> calibrated log odds of each sentence, by heads that did not see it.
    """

    items: Sequence[ReplySentence]
    rows: Rows
    heads: Heads
    judged: Mapping[str, Floats]


def fit_sentences(
    items: Sequence[ReplySentence], features: Features, taxonomy: Taxonomy
) -> Sentences:
    """Fit heads for the sentences of replies, a reply being one pool.

    Args:
        items: the reply bank.
        features: its pair features, shape (items, features).
        taxonomy: names the codes.
    """
    rows = Rows(
        features,
        np.array([_class(item) for item in items]),
        _case_folds([item.case for item in items]),
        np.array([item.side == "good" for item in items]),
        [_pool(item) for item in items],
        SENTENCE_STRENGTH,
        FIRES,
    )
    codes = {
        COLLUSION: [code for code in taxonomy.codes if code.startswith("K")],
        OVER_CORRECTION: [code for code in taxonomy.codes if code.startswith("O")],
    }
    return Sentences(items, rows, *fit_and_judge(rows, codes))


def fit_whole_replies(sentences: Sentences, labelled: Sequence[ReplyLabel]) -> Phrasing:
    """Fit the phrasing of whole replies.

    Args:
        sentences: the bank's.
        labelled: replies of others. Whether they over-correct nobody labelled: they count as
            replies that do not.
    """
    pools: dict[str, list[int]] = {}
    for row, item in enumerate(sentences.items):
        pools.setdefault(_pool(item), []).append(row)
    ordered = [pools[name] for name in sorted(pools)]
    replies = [[normalise(sentences.items[row].text) for row in pool] for pool in ordered]
    twins = [twin for pool in ordered if (twin := _twin_of_pool(sentences, pool))]
    more = _more([*twins, *(reply for label in labelled for reply in _labelled(label))])
    rows, heads = sentences.rows, sentences.heads
    return fit_phrasing(replies, rows, heads, sentences.judged, more, PHRASING_STRENGTH)


@dataclass(frozen=True)
class _Reply:
    sentences: Sequence[str]
    faults: Mapping[str, bool]
    fold: int
    source: str


def _twin_of_pool(sentences: Sentences, pool: Sequence[int]) -> _Reply | None:
    """Return a reply of the bank without the faultless sentences that point to help, if any do."""
    items = [sentences.items[row] for row in pool]
    kept = [item for item in items if _fault(item) or not _points_to_help(item.text)]
    if len(kept) in (0, len(items)):
        return None
    classes = {_class(item) for item in items}
    faults = {
        name: not classes.isdisjoint(gate.families) for name, gate in sentences.heads.gates.items()
    }
    texts = [normalise(item.text) for item in kept]
    return _Reply(texts, faults, int(sentences.rows.folds[pool[0]]), OWN_SOURCE)


def _labelled(label: ReplyLabel) -> Iterator[_Reply]:
    """Yield a labelled reply, and again without the sentences that point to help."""
    faults = {COLLUSION: label.collusive, OVER_CORRECTION: False}
    sentences = [sentence.text for sentence in read_whole(label.reply)]
    yield _Reply(sentences, faults, ALWAYS_FITTED, label.source)
    kept = [sentence for sentence in sentences if not _points_to_help(sentence)]
    if len(kept) not in (0, len(sentences)):
        yield _Reply(kept, faults, ALWAYS_FITTED, label.source)


def _more(replies: Sequence[_Reply]) -> MoreReplies:
    gates = (COLLUSION, OVER_CORRECTION)
    return MoreReplies(
        [reply.sentences for reply in replies],
        {gate: np.array([reply.faults[gate] for reply in replies], dtype=bool) for gate in gates},
        np.array([reply.fold for reply in replies], dtype=np.intp),
        [reply.source for reply in replies],
    )


def _points_to_help(sentence: str) -> bool:
    lowered = sentence.casefold()
    return any(word in lowered for word in load_settings().referral_words)


def _pool(item: ReplySentence) -> str:
    return f"{item.case}/{item.side}"


def _fault(item: ReplySentence) -> str | None:
    return next((code for code in item.codes if not code.startswith("G")), None)


def _class(item: ReplySentence) -> str:
    return _fault(item) or f"fine:{item.side}"


def _case_folds(cases: Sequence[str]) -> NDArray[np.intp]:
    """Deal the cases into folds, each whole; the order of first appearance decides."""
    order = {case: position for position, case in enumerate(dict.fromkeys(cases))}
    return np.array([order[case] % FOLDS for case in cases], dtype=np.intp)
