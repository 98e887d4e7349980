"""Replies judged by fits that did not learn from their source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
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


@dataclass(frozen=True)
class LeftOut:
    """Judges labelled replies.

    Attributes:
        scorer: the shipped model.
        labels: all rows; where the shipped model learnt from their source, fits without it learn
            from the others.
    """

    scorer: Scorer
    labels: Sequence[ReplyLabel]

    def __hash__(self) -> int:
        return id(self)

    def judge(self, label: ReplyLabel) -> dict[str, Any]:
        """Return what ``corroborator score replies`` tells, by a fit that knows no such source."""
        if not self._learnt:
            return self.scorer.reply(label.messages)
        own = self._without(label.source) if label.source in self._learnt else self.scorer
        alone = self._fitted(())
        told = own.reply(label.messages)
        return {**told, ALONE: alone.reply(label.messages)["score"]}

    @cached_property
    def _learnt(self) -> frozenset[str]:
        return frozenset(self.scorer.engine.model.manifest.labelled)

    @cached_property
    def _sentences(self) -> Sentences:
        taxonomy = load_taxonomy()
        banks = Banks.read(taxonomy)
        stored = unpack_vectors(resource("embeddings", VECTORS).read_bytes())
        return fit_sentences(banks.replies, reply_features(banks, stored), taxonomy)

    def _without(self, source: str) -> Scorer:
        return self._fitted(tuple(sorted(self._learnt - {source})))

    @cache  # noqa: B019 - one object for one evaluation
    def _fitted(self, sources: tuple[str, ...]) -> Scorer:
        phrasing = fit_whole_replies(
            self._sentences, [label for label in self.labels if label.source in sources]
        )
        checker = ReplyChecker(self._sentences.heads, phrasing)
        return Scorer(replace(self.scorer.engine, checker=checker))
