import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.errors import DataError
from corroborator.phrasing import BUCKETS, Blend, Phrasing, ngram_counts, weighted

texts = st.lists(st.text(max_size=60), max_size=5)


def phrasing(seed: int = 0) -> Phrasing:
    random = np.random.default_rng(seed)
    return Phrasing(
        np.ones(BUCKETS, np.float32),
        random.standard_normal((2, BUCKETS)).astype(np.float32),
        {"collusion": Blend(0.5, 2.0, -1.0, 0.4), "over_correction": Blend(1.0, 0.0, 0.0, 0.5)},
    )


def test_the_ngrams_of_three_to_five_characters_are_counted() -> None:
    assert ngram_counts(["yes"]).sum() == 3 + 2 + 1  # of " yes "
    assert ngram_counts(["no", "no"]).max() == 2
    assert (ngram_counts(["Yes"]) == ngram_counts(["yes"])).all()
    assert ngram_counts([]).sum() == 0
    assert ngram_counts([""]).sum() == 0


@given(texts, texts)
def test_a_reply_is_the_sum_of_its_sentences(some: list[str], more: list[str]) -> None:
    together = ngram_counts([*some, *more])
    assert together.shape == (BUCKETS,)
    assert (together == ngram_counts(some) + ngram_counts(more)).all()


def test_a_rare_ngram_weighs_more_and_features_have_length_1() -> None:
    counts = np.stack([ngram_counts([text]) for text in ("the sea", "the sun", "the moon")])
    rarity = 4.0 - (counts > 0).sum(axis=0)
    features = weighted(counts, rarity)
    assert np.linalg.norm(features, axis=1) == pytest.approx([1, 1, 1])
    assert features[0, counts.all(axis=0)].max() < features[0, counts[0] > counts[1]].min()
    assert weighted(np.zeros(BUCKETS), rarity).sum() == 0


def test_a_gate_joins_sentences_and_phrasing() -> None:
    told = phrasing().scores(["You are right.", "Nobody else sees it."])
    assert set(told) == {"collusion", "over_correction"}
    assert phrasing().log_odds("collusion", 3.0, 0.25) == pytest.approx(0.5 * 3 + 2 * 0.25 - 1)
    assert phrasing().log_odds("over_correction", 3.0, 99.0) == 3.0


def test_it_survives_storing() -> None:
    stored = phrasing().to_bytes()
    again = Phrasing.from_bytes(stored)
    assert again.to_bytes() == stored
    assert again.blends == phrasing().blends
    assert again.scores(["So it is."]) == phrasing().scores(["So it is."])


def test_what_is_no_phrasing_is_refused() -> None:
    for content in (b"", b"nonsense", phrasing().to_bytes()[:100]):
        with pytest.raises(DataError, match="run `corroborator fit`"):
            Phrasing.from_bytes(content)
    small = Phrasing(np.ones(4, np.float32), np.ones((1, 4), np.float32), {})
    with pytest.raises(DataError, match="another size"):
        Phrasing.from_bytes(small.to_bytes())
