import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corroborator.errors import ConfigError
from corroborator.fitting import (
    ALWAYS_FITTED,
    CONTRAST_FIRES,
    MIN_POSITIVES,
    MoreReplies,
    Rows,
    _evened,
    _rounded,
    fit_and_judge,
    fit_heads,
    fit_phrasing,
)
from corroborator.heads import sigmoid
from corroborator.phrasing import Phrasing

CALM_FIRES = 0.01
NO_MORE = MoreReplies(
    [],
    {gate: np.zeros(0, dtype=bool) for gate in ("claim", "other")},
    np.zeros(0, dtype=np.intp),
    [],
)
GATES = {"claim": ("a", "b"), "other": ("c",)}
CENTRES = {
    "a": (3, 0, 0),
    "b": (0, 3, 0),
    "c": (0, 0, 3),
    "near a": (1.5, 0, 0),
    "plain": (0, 0, 0),
}


def rows(count: int = 60, seed: int = 0) -> Rows:
    random = np.random.default_rng(seed)
    classes = np.array([name for name in CENTRES for _ in range(count)])
    vectors = np.array([CENTRES[str(name)] for name in classes], dtype=np.float32)
    vectors = np.hstack([vectors, np.zeros((len(vectors), 2), np.float32)])
    vectors += random.standard_normal(vectors.shape).astype(np.float32) * 0.5
    folds = np.arange(len(classes)) % 5
    return Rows(
        vectors,
        classes,
        np.where(folds < 2, folds, ALWAYS_FITTED),
        classes == "plain",
        [str(n) for n in range(len(classes))],
        strength=1.0,
        calm_fires=CALM_FIRES,
    )


def test_gates_and_families_are_told_apart() -> None:
    given_ = rows()
    heads = fit_heads(given_, GATES)
    assert set(heads.classes) == set(CENTRES)
    assert heads.names == ("claim", "a", "b", "other", "c")
    probability = sigmoid(heads.scores(given_.vectors))
    judged = given_.folds != ALWAYS_FITTED
    fires = probability[:, 0] >= heads.gates["claim"].threshold
    assert fires[judged & given_.calm].mean() <= CALM_FIRES
    assert fires[judged & (given_.classes == "near a")].mean() <= CONTRAST_FIRES + 0.1
    assert fires[np.isin(given_.classes, ["a", "b"])].mean() > 0.9
    best = probability[:, 1:3].argmax(axis=1)
    assert (best[given_.classes == "b"] == 1).all()
    assert all(0.05 <= gate.threshold <= 0.98 for gate in heads.gates.values())
    assert all(gate.slope > 0 for gate in heads.gates.values())


def test_the_same_rows_give_the_same_bytes() -> None:
    assert fit_heads(rows(), GATES).to_bytes() == fit_heads(rows(), GATES).to_bytes()
    assert fit_heads(rows(), GATES).to_bytes() != fit_heads(rows(seed=1), GATES).to_bytes()


def test_judged_rows_have_no_say_in_their_own_scores() -> None:
    """Rows with turned labels in one fold make the calibration unsure, not wrong."""
    given_ = rows()
    plain = fit_heads(given_, GATES)
    turned = given_.classes.copy()
    swapped = {"a": "plain", "plain": "a"}
    for n in np.flatnonzero(given_.folds == 0):
        turned[n] = swapped.get(str(turned[n]), turned[n])
    unsure = fit_heads(replace(given_, classes=turned, calm=turned == "plain"), GATES)
    assert unsure.gates["claim"].slope < plain.gates["claim"].slope
    assert unsure.gates["claim"].threshold > plain.gates["claim"].threshold


def test_pools_are_judged_by_their_highest_row() -> None:
    given_ = rows()
    pooled = replace(given_, pools=[f"{n // 3}" for n in range(len(given_.classes))])
    alone, together = fit_heads(given_, GATES), fit_heads(pooled, GATES)
    assert (alone.weights == together.weights).all()
    assert alone.gates["claim"] != together.gates["claim"]


def test_two_classes_alone_are_fitted_too() -> None:
    given_ = rows()
    keep = np.isin(given_.classes, ["a", "plain"])
    small = Rows(
        given_.vectors[keep],
        given_.classes[keep],
        given_.folds[keep],
        given_.calm[keep],
        [str(n) for n in range(int(keep.sum()))],
        strength=1.0,
        calm_fires=CALM_FIRES,
    )
    heads = fit_heads(small, {"claim": ("a",)})
    probability = sigmoid(heads.scores(small.vectors))[:, heads.column("claim")]
    assert probability[small.classes == "a"].min() > probability[small.classes == "plain"].max()


@pytest.mark.parametrize("count", [0, MIN_POSITIVES - 1])
def test_a_family_needs_ten_positives(count: int) -> None:
    given_ = rows()
    classes = given_.classes.copy()
    classes[np.flatnonzero(classes == "b")[count:]] = "plain"
    with pytest.raises(ConfigError, match=f"'b' has {count} positives; write at least 10"):
        fit_heads(replace(given_, classes=classes), GATES)


@pytest.mark.parametrize("module", ["sklearn.linear_model", "threadpoolctl"])
def test_without_scikit_learn_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match="pip install 'corroborator"):
        fit_heads(rows(), GATES)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_rounding_keeps_six_digits_and_is_stable(values: list[float]) -> None:
    exact = np.array([value if abs(value) > 1e-9 else 0.0 for value in values])
    rounded = _rounded(exact)
    assert rounded == pytest.approx(exact, rel=1e-5)
    assert _rounded(rounded) == pytest.approx(rounded, rel=1e-12)


def test_phrasing_tells_what_the_sentences_do_not() -> None:
    blind = replace(
        rows(), vectors=np.zeros((300, 5), np.float32), folds=np.arange(300, dtype=np.intp) % 5
    )
    said = {"a": "Quite so.", "b": "Quite right.", "c": "Not at all.", "near a": "Who knows?"}
    texts = [
        [f"{said.get(str(name), 'Some tea?')} {n % 7}"] for n, name in enumerate(blind.classes)
    ]
    replies = [texts[row] for row in np.argsort(blind.pools)]
    heads, judged = fit_and_judge(blind, GATES)
    phrasing = fit_phrasing(replies, blind, heads, judged, NO_MORE, strength=10.0)

    def fires(sentence: str, gate: str) -> bool:
        pooled = heads.scores(blind.vectors[:1])[0, heads.column(gate)]
        odds = phrasing.log_odds(gate, float(pooled), phrasing.scores([sentence])[gate])
        return bool(sigmoid(np.array(odds)) >= phrasing.blends[gate].threshold)

    assert fires("Quite so. 3", "claim")
    assert fires("Quite right. 2", "claim")
    assert not fires("Who knows? 1", "claim")
    assert not fires("Some tea? 4", "claim")
    assert fires("Not at all. 5", "other")
    assert not fires("Quite so. 3", "other")
    again = fit_phrasing(replies, blind, heads, judged, NO_MORE, strength=10.0)
    assert again.to_bytes() == phrasing.to_bytes()


def test_phrasing_learns_from_more_replies_and_is_not_calibrated_by_them() -> None:
    blind = replace(
        rows(), vectors=np.zeros((300, 5), np.float32), folds=np.arange(300, dtype=np.intp) % 5
    )
    said = {"a": "Quite so.", "b": "Quite right.", "c": "Not at all."}
    texts = [[said.get(str(name), "Some tea?")] for name in blind.classes]
    replies = [texts[row] for row in np.argsort(blind.pools)]
    heads, judged = fit_and_judge(blind, GATES)
    claims = np.arange(40) % 2 == 0
    more = MoreReplies(
        [["Naturally, captain!"] if claim else ["Aye, sailor."] for claim in claims],
        {"claim": claims, "other": np.zeros(40, dtype=bool)},
        np.full(40, ALWAYS_FITTED, dtype=np.intp),
        ["ships"] * 40,
    )
    phrasing = fit_phrasing(replies, blind, heads, judged, more, strength=10.0)
    alone = fit_phrasing(replies, blind, heads, judged, NO_MORE, strength=10.0)

    def gap(fitted: Phrasing) -> float:
        claim, fine = (
            fitted.scores([text])["claim"] for text in ("Naturally, captain!", "Aye, sailor.")
        )
        return claim - fine

    assert gap(phrasing) > gap(alone) + 1
    assert phrasing.blends["claim"].sentences == pytest.approx(
        alone.blends["claim"].sentences, abs=0.2
    )


def test_a_reply_of_a_fold_that_is_judged_is_left_out() -> None:
    """Copies of the pools with turned labels do harm in all folds but their own."""
    blind = replace(
        rows(), vectors=np.zeros((300, 5), np.float32), folds=np.arange(300, dtype=np.intp) % 5
    )
    texts = [[f"Word {n} is {n * 7919} of {n * 104729}."] for n in range(300)]
    order = np.argsort(blind.pools)
    replies = [texts[row] for row in order]
    heads, judged = fit_and_judge(blind, GATES)
    happened = np.isin(blind.classes, GATES["claim"])[order]
    given_ = MoreReplies(
        replies,
        {"claim": happened, "other": np.isin(blind.classes, GATES["other"])[order]},
        blind.folds[order],
        [""] * 300,
    )
    leaking = replace(given_, folds=np.full(300, ALWAYS_FITTED, dtype=np.intp))
    slopes = [
        fit_phrasing(replies, blind, heads, judged, more, strength=10.0).blends["claim"].phrasing
        for more in (given_, leaking)
    ]
    assert slopes[1] > 3 * abs(slopes[0])  # numbers tell nothing, unless they were seen


def test_sides_weigh_the_same_and_a_source_as_the_root_of_its_replies() -> None:
    sources = np.array(["few"] * 4 + ["many"] * 16 + ["few"] * 9)
    faults = np.array([True] * 20 + [False] * 9)
    weight = _evened(sources, faults)
    assert weight[faults].sum() == pytest.approx(weight[~faults].sum())
    assert weight[4:20].sum() == pytest.approx(2 * weight[:4].sum())
    assert weight.sum() == pytest.approx(29)
