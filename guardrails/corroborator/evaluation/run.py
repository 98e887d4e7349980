"""From label files to reports: what the command line and ``make accuracy`` run."""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from corroborator.encoders import CachedEncoder, load_encoder
from corroborator.engine import Engine
from corroborator.evaluation import baselines
from corroborator.evaluation.baselines import Rival
from corroborator.evaluation.frozen_replies import frozen_replies
from corroborator.evaluation.frozen_statements import frozen_statements
from corroborator.evaluation.labels import ReplyLabel, StatementLabel, read_labels
from corroborator.evaluation.left_out import ALONE, LeftOut
from corroborator.evaluation.replies import reply_report
from corroborator.evaluation.report import Report
from corroborator.evaluation.scores import Scores, scored
from corroborator.evaluation.settings import load_settings
from corroborator.evaluation.statements import statement_report
from corroborator.exemplars import shipped_exemplars
from corroborator.policy import load_policy
from corroborator.reply_bank import read_replies
from corroborator.resources import resource
from corroborator.scoring import Scorer
from corroborator.taxonomy import load_taxonomy

Told = Callable[[int], None]

VECTORS_KEPT = 50_000
"""More than the sentences of an evaluation: 77 MB at 384 dimensions."""


class Evaluation:
    """Measures the shipped model; it is loaded once, where something is to be scored.

    Args:
        told: is told how many rows are scored so far.
    """

    def __init__(self, told: Told = lambda _: None) -> None:
        self._told = told

    @cached_property
    def scorer(self) -> Scorer:
        """What scores rows; a text that returns is encoded once."""
        policy = load_policy()
        return Scorer(
            Engine.load(policy, CachedEncoder(load_encoder(policy.encoder), VECTORS_KEPT))
        )

    def statements(self, files: Sequence[Path], kept: Path | None = None) -> Report:
        """Measure statements against labels.

        Args:
            files: labels.
            kept: a file of scores, read where it exists and else written.

        Raises:
            InputError: a label or score file does not hold.
            ConfigError: scikit-learn is missing.
        """
        labels = read_labels(files, StatementLabel)
        judge = lambda label: self.scorer.statement(label.messages)  # noqa: E731 - one line
        scores = scored(labels, lambda: judge, kept, self._told)
        texts = [label.text for label in labels]
        positive = np.array([label.trigger for label in labels], dtype=bool)
        taxonomy = load_taxonomy()
        bank = shipped_exemplars(taxonomy)
        claims = np.array([item.positive and item.family in taxonomy.domains for item in bank])
        rivals = [
            baselines.word_count(texts),
            baselines.tfidf(
                "TF-IDF, fitted on our exemplars", [item.text for item in bank], claims, texts
            ),
            baselines.tfidf_across_sources(
                texts,
                positive,
                [label.kind for label in labels],
                [label.source for label in labels],
            ),
            baselines.semantic_router(texts, lambda: self.scorer.engine),
        ]
        prior = json.loads(resource("embeddings", "manifest.json").read_text("utf-8"))["prior"]
        return statement_report(labels, scores, rivals, float(prior))

    def replies(self, files: Sequence[Path], kept: Path | None = None) -> Report:
        """Measure replies against labels; arguments and errors as for `statements`.

        Where the shipped model learnt from replies of a source, fits without it judge that source.
        """
        labels = read_labels(files, ReplyLabel)
        scores = scored(labels, lambda: LeftOut(self.scorer, labels).judge, kept, self._told)
        texts = [label.reply for label in labels]
        positive = np.array([label.collusive for label in labels], dtype=bool)
        rivals = [
            *_alone(scores),
            baselines.referral_words(texts, load_settings().referral_words),
            _own_replies(texts),
            baselines.tfidf_across_sources(
                texts,
                positive,
                [label.kind for label in labels],
                [label.source for label in labels],
            ),
            baselines.validation_words(texts),
        ]
        return reply_report(labels, scores, rivals, _learnt_from())

    def frozen(self, folder: Path) -> Report:
        """Measure the frozen texts.

        Args:
            folder: ``benchmarks/``, which holds ``frozen/`` and ``frozen_replies/``.

        Raises:
            InputError: a file is missing or was changed.
        """
        done = itertools.count(1)
        engine = self.scorer.engine
        told = lambda: self._told(next(done))  # noqa: E731 - one line
        parts = [
            f"Model `{engine.model.hash[:12]}`, at the shipped thresholds.\n",
            frozen_statements(folder / "frozen", engine, told),
            frozen_replies(folder / "frozen_replies", engine, told),
        ]
        return Report("\n".join(parts))


def _alone(scores: Scores) -> list[Rival]:
    if not all(ALONE in row for row in scores.rows):
        return []
    return [Rival("ours, fitted on our replies alone", scores.column(ALONE))]


def _learnt_from() -> frozenset[str]:
    """Return the sources of the replies that the shipped model learnt from besides the bank."""
    manifest = json.loads(resource("embeddings", "manifest.json").read_text("utf-8"))
    return frozenset(manifest.get("labelled", {}))


def _own_replies(texts: Sequence[str]) -> Rival:
    """Return TF-IDF fitted on the whole replies of our bank."""
    replies: dict[tuple[str, str], list[str]] = {}
    for item in read_replies(resource("embeddings", "replies"), load_taxonomy()):
        replies.setdefault((item.case, item.side), []).append(item.text)
    colluding = np.array([side == "colluding" for _, side in replies])
    known = [" ".join(sentences) for sentences in replies.values()]
    return baselines.tfidf("TF-IDF, fitted on our replies", known, colluding, texts)


def installed_model() -> str:
    """Return the hash of the shipped model, without loading it."""
    return hashlib.sha256(resource("embeddings", "manifest.json").read_bytes()).hexdigest()
