"""Replies judged by fits that did not learn from their source."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from corroborator.evaluation.labels import ReplyLabel
from corroborator.model import VECTORS, unpack_vectors
from corroborator.reply_check import ReplyChecker
from corroborator.reply_training import Sentences, fit_sentences, fit_whole_replies
from corroborator.resources import resource
from corroborator.scoring import Scorer
from corroborator.taxonomy import load_taxonomy
from corroborator.training import Banks, reply_features

ALONE = "score_alone"
"""The score by a fit on the bank alone, without labelled replies."""


class LeftOut:
    """Judges labelled replies.

    Args:
        scorer: the shipped model.
        labels: all rows; where the shipped model learnt from their source, fits without it learn
            from the others.
    """

    def __init__(self, scorer: Scorer, labels: Sequence[ReplyLabel]) -> None:
        self._scorer, self._labels = scorer, labels
        self._learnt = frozenset(scorer.engine.model.manifest.labelled)
        self._fits: dict[frozenset[str], Scorer] = {}

    def judge(self, label: ReplyLabel) -> dict[str, Any]:
        """Return what ``corroborator score replies`` tells, by a fit that knows no such source."""
        if not self._learnt:
            return self._scorer.reply(label.messages)
        known = label.source in self._learnt
        judge = self._fitted(self._learnt - {label.source}) if known else self._scorer
        alone = self._fitted(frozenset()).reply(label.messages)
        return {**judge.reply(label.messages), ALONE: alone["score"]}

    @cached_property
    def _sentences(self) -> Sentences:
        taxonomy = load_taxonomy()
        banks = Banks.read(taxonomy)
        stored = unpack_vectors(resource("embeddings", VECTORS).read_bytes())
        return fit_sentences(banks.replies, reply_features(banks, stored), taxonomy)

    def _fitted(self, sources: frozenset[str]) -> Scorer:
        if sources not in self._fits:
            learnt = [label for label in self._labels if label.source in sources]
            phrasing = fit_whole_replies(self._sentences, learnt)
            checker = ReplyChecker(self._sentences.heads, phrasing)
            self._fits[sources] = Scorer(replace(self._scorer.engine, checker=checker))
        return self._fits[sources]
