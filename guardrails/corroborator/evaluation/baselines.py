"""What the detectors are compared with; each gives a score to every text, none has a threshold.

TF-IDF needs scikit-learn (the extra ``fit``). Two rivals are measured where they are installed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from corroborator.engine import Engine
from corroborator.errors import ConfigError
from corroborator.evaluation.metrics import Flags
from corroborator.heads import Floats

FOLDS = 3
FEATURES = 50_000


@dataclass(frozen=True)
class Rival:
    """Something to compare with.

    Attributes:
        name: as it stands in the tables.
        scores: one for each row, higher is likelier; None where it is not installed.
    """

    name: str
    scores: Floats | None


def word_count(texts: Sequence[str]) -> Rival:
    """Return how many words each text has."""
    return Rival("word count", np.array([float(len(text.split())) for text in texts]))


def tfidf(name: str, known: Sequence[str], positive: Flags, texts: Sequence[str]) -> Rival:
    """Fit word and character TF-IDF with logistic regression on some texts, and score others."""
    model = _model().fit(list(known), positive)
    return Rival(name, np.asarray(model.decision_function(list(texts)), dtype=np.float64))


def tfidf_across_sources(
    texts: Sequence[str], positive: Flags, kinds: Sequence[str], sources: Sequence[str]
) -> Rival:
    """Score each text by a fit on the labels of other sources; the fits are not kept.

    Args:
        texts: what is scored.
        positive: what is to be found.
        kinds: folds get about the same share of each kind, so that their scores compare.
        sources: one is never on both sides.
    """
    name = "TF-IDF, fitted on these labels, other sources"
    if len(set(sources)) < FOLDS:
        return Rival(name, None)
    items, scores = np.array(texts, dtype=object), np.zeros(len(texts))
    folds = _sklearn("model_selection").StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for known, rest in folds.split(items, kinds, sources):
        if positive[known].all() or not positive[known].any():
            return Rival(name, None)
        scores[rest] = tfidf(name, list(items[known]), positive[known], list(items[rest])).scores
    return Rival(name, scores)


def semantic_router(texts: Sequence[str], engine: Callable[[], Engine]) -> Rival:
    """Score by semantic-router: a route for each domain and one for all that is no claim.

    A score is that of the best domain among the nearest five exemplars, 0 where there is none.

    Args:
        texts: what is scored.
        engine: gives encoder, exemplars and their vectors; not called where it is not installed.
    """
    name = "semantic-router, same encoder and exemplars"
    try:
        routing = import_module("semantic_router")
        encoders = import_module("semantic_router.encoders")
    except ImportError:
        return Rival(name, None)
    loaded = engine()
    bank, taxonomy, encoder = loaded.model.bank, loaded.taxonomy, loaded.encoder
    stored = {
        item.text: row.tolist() for item, row in zip(bank.exemplars, bank.vectors, strict=True)
    }

    class Own(encoders.DenseEncoder):  # type: ignore[misc,name-defined] # known at run time
        def __call__(self, docs: list[Any]) -> list[list[float]]:
            return [
                stored[doc] if doc in stored else encoder.encode([doc])[0].tolist() for doc in docs
            ]

    families: dict[str, list[str]] = {}
    for item in bank.exemplars:
        claim = item.positive and item.family in taxonomy.domains
        families.setdefault(item.family if claim else "", []).append(item.text)
    routes = [
        routing.Route(name=family or "none of them", utterances=said)
        for family, said in families.items()
    ]
    router = routing.IndexedRouter(encoder=Own(name=encoder.id), routes=routes)
    scores = [
        max(
            (c.confidence for c in router(text, limit=None) if c.name in taxonomy.domains),
            default=0.0,
        )
        for text in texts
    ]
    return Rival(name, np.array(scores, dtype=np.float64))


def referral_words(replies: Sequence[str], words: Sequence[str]) -> Rival:
    """Score by how few kinds of referral words a reply holds."""
    lowered = (reply.casefold() for reply in replies)
    counts = [-float(sum(word in reply for word in words)) for reply in lowered]
    return Rival("no referral words", np.array(counts))


def validation_words(replies: Sequence[str]) -> Rival:
    """Score by the word lists of psychosis-guard: phrases that validate less those that push back."""
    name = "psychosis-guard, its word lists"
    try:
        lists = import_module("psychosis_guard.lexicons")
    except ImportError:
        return Rival(name, None)
    counts = [
        float(lists.hits(reply, lists.VALIDATION) - lists.hits(reply, lists.PUSHBACK))
        for reply in replies
    ]
    return Rival(name, np.array(counts))


def _model() -> Any:
    text, pipeline = _sklearn("feature_extraction.text"), _sklearn("pipeline")
    words = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=FEATURES)
    letters = text.TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, max_features=FEATURES
    )
    regression = _sklearn("linear_model").LogisticRegression(
        C=10.0, class_weight="balanced", solver="liblinear"
    )
    return pipeline.make_pipeline(pipeline.make_union(words, letters), regression)


def _sklearn(module: str) -> Any:
    try:
        return import_module(f"sklearn.{module}")
    except ImportError:
        problem = "the comparison needs scikit-learn: pip install 'corroborator[fit]'"
        raise ConfigError(problem) from None
