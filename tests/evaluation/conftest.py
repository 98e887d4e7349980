"""An evaluation of the tiny world, beside baselines that are fitted on a small part of the banks."""

from itertools import groupby

import pytest

from conftest import PolicyOf
from corroborator.engine import Engine
from corroborator.evaluation import metrics, run
from corroborator.evaluation.run import Evaluation
from corroborator.reply_bank import read_replies
from corroborator.resources import resource
from corroborator.scoring import Scorer
from tiny_world import WordEncoder


@pytest.fixture
def evaluation(monkeypatch: pytest.MonkeyPatch, tiny_policy: PolicyOf) -> Evaluation:
    """Return it with the tiny world's detectors."""
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    engine = Engine.load(tiny_policy("audit: {store: null}"), WordEncoder())
    monkeypatch.setattr(Evaluation, "scorer", Scorer(engine))
    families = groupby(engine.model.bank.exemplars, key=lambda item: (item.family, item.positive))
    few = tuple(item for _, items in families for item in list(items)[:3])
    monkeypatch.setattr(run, "shipped_exemplars", lambda _: few)
    replies = read_replies(resource("embeddings", "replies"), engine.taxonomy)[:400]
    monkeypatch.setattr(run, "read_replies", lambda *_: replies)
    return Evaluation()
