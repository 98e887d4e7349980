import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator.errors import DataError
from corroborator.heads import Gate, Heads, log_odds, sigmoid

logits = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9)


def heads(seed: int = 0, slope: float = 2.0, offset: float = -1.0) -> Heads:
    random = np.random.default_rng(seed)
    gates = {"ab": Gate(("a", "b"), slope, offset, 0.4), "c": Gate(("c",), 1.0, 0.0, 0.6)}
    weights = random.standard_normal((4, 3)).astype(np.float32)
    return Heads(("b", "a", "c", "rest"), weights, random.standard_normal(4), gates)


def features(seed: int, rows: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((rows, 3)).astype(np.float32) * 4


@given(logits)
def test_sigmoid_stays_within_0_and_1_and_keeps_the_order(values: list[float]) -> None:
    ordered = np.array(sorted(values))
    probabilities = sigmoid(ordered)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (np.diff(probabilities) >= 0).all()


@given(st.lists(st.floats(-20, 20), min_size=1))
def test_log_odds_are_the_inverse(values: list[float]) -> None:
    assert log_odds(sigmoid(np.array(values))) == pytest.approx(values, abs=1e-5)


def test_log_odds_of_certainty_are_finite() -> None:
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()


def test_names_and_thresholds_go_gate_by_gate() -> None:
    own = heads()
    assert own.names == ("ab", "a", "b", "c", "c")
    assert own.thresholds == {"ab": 0.4, "a": 0.4, "b": 0.4, "c": 0.6}
    assert own.column("b") == 2
    assert list(own.columns(["c", "ab"])) == [3, 0]
    with pytest.raises(ValueError, match="not in tuple"):
        own.column("d")


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(0, 999))
def test_families_share_the_probability_of_their_gate(seed: int, row_seed: int) -> None:
    own = heads(seed)
    scores = sigmoid(own.scores(features(row_seed)))
    assert scores[:, 1] + scores[:, 2] == pytest.approx(scores[:, 0], abs=1e-6)
    assert scores[:, 3] == pytest.approx(scores[:, 4], abs=1e-6)


def test_a_gate_is_calibrated() -> None:
    rows = features(3)
    raw = heads().raw(rows, "ab")
    for slope, offset in ((1.0, 0.0), (2.0, -1.0), (0.5, 3.0)):
        scores = heads(slope=slope, offset=offset).scores(rows)
        assert scores[:, 0] == pytest.approx(slope * raw + offset)


def test_a_row_does_not_depend_on_the_others() -> None:
    rows = features(3)
    whole = heads().scores(rows)
    apart = np.concatenate([heads().scores(rows[n : n + 1]) for n in range(len(rows))])
    assert whole == pytest.approx(apart)
    assert heads().scores(rows[:0]).shape == (0, 5)


@settings(deadline=None)
@given(st.integers(0, 999))
def test_bytes_read_back_and_are_the_same_for_the_same_heads(seed: int) -> None:
    own = heads(seed)
    content = own.to_bytes()
    read = Heads.from_bytes(content)
    assert read.to_bytes() == content == heads(seed).to_bytes()
    assert read.gates == own.gates
    assert (read.scores(features(1)) == own.scores(features(1))).all()


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04garbage", b"\x80\x04.", b"{}"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="run `corroborator fit`"):
        Heads.from_bytes(content)


def test_a_cut_archive_is_refused() -> None:
    content = heads().to_bytes()
    for length in (30, len(content) // 2, len(content) - 1):
        with pytest.raises(DataError, match="cannot be read"):
            Heads.from_bytes(content[:length])
