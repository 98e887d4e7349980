import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator.errors import ConfigError, DataError, EncoderError
from corroborator.exemplars import bank_hash
from corroborator.model import (
    CERTAINTIES,
    PHRASING,
    REPLIES,
    STATEMENTS,
    VECTORS,
    Manifest,
    Model,
    bank_exemplars,
    load_model,
    manifest_bytes,
    pack_vectors,
    taxonomy_ids,
    unpack_vectors,
)
from tiny_world import DOMAINS, PROTECTED, TAXONOMY, WordEncoder

FILES = [STATEMENTS, CERTAINTIES, REPLIES, PHRASING, VECTORS]
Changed = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be spoilt."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def load(folder: Path) -> Model:
    return load_model(folder, WordEncoder(), TAXONOMY)


def change(folder: Path, **changed: object) -> None:
    """Change the manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def rehash(folder: Path, name: str) -> None:
    """Make the manifest fit a file that was changed."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    change(folder, files={**files, name: digest})


def test_a_model_loads_whole(tiny_model: Path) -> None:
    model = load(tiny_model)
    assert model.hash == hashlib.sha256((tiny_model / "manifest.json").read_bytes()).hexdigest()
    assert len(model.bank.exemplars) == len(model.bank.vectors)
    assert np.linalg.norm(model.bank.vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert set(model.statements.gates) == {"claim", "disclosure"}
    assert set(model.certainty.gates) == {"certainty"}
    assert set(model.replies.gates) == {"collusion", "over_correction"}


@pytest.mark.parametrize("name", ["manifest.json", *FILES])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(
        DataError, match=f"{folder}/{name} is missing; run `corroborator fit` again"
    ):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{name} was changed since it was fitted"):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_archive_is_refused_even_with_its_hash(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not an archive")
    rehash(folder, name)
    with pytest.raises(DataError, match="cannot be read"):
        load(folder)


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": 2},
        {"schema": None},
        {"files": {}},
        {"files": {STATEMENTS: "0" * 64}},
        {"note": "x"},
        {"prior": 1},
        {"encoder": 5},
        {"taxonomy": "age_claim"},
    ],
)
def test_what_is_no_manifest_is_refused(folder: Path, changed: dict[str, object]) -> None:
    change(folder, **changed)
    with pytest.raises(DataError, match="is not a manifest of schema 1"):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_no_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match="is not a manifest of schema 1"):
        load(folder)


def test_heads_of_another_encoder_are_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(EncoderError, match="make heads for this one with `corroborator fit`"):
        load_model(folder, WordEncoder(64), TAXONOMY)


def test_heads_of_another_taxonomy_are_refused(folder: Path) -> None:
    change(folder, taxonomy=[*taxonomy_ids(TAXONOMY)[1:], "new_claim"])
    with pytest.raises(DataError, match="fitted for other ids than the taxonomy has"):
        load(folder)


def test_exemplars_that_were_changed_are_refused(folder: Path) -> None:
    change(folder, exemplars="0" * 64)
    with pytest.raises(DataError, match="the exemplars were changed since the heads were fitted"):
        load(folder)
    (folder / "exemplars").mkdir()
    row = {"id": "age_claim-c900", "text": "Candles galore", "label": "claim"}
    (folder / "exemplars" / "age_claim.jsonl").write_text(json.dumps(row))
    change(folder, exemplars=bank_hash(bank_exemplars(None, TAXONOMY)))
    with pytest.raises(DataError, match="the exemplars were changed"):
        load(folder)


def test_a_users_exemplars_come_after_the_shipped_ones(tmp_path: Path) -> None:
    shipped = bank_exemplars(None, TAXONOMY)
    assert bank_exemplars(tmp_path / "none", TAXONOMY) == shipped
    row = {"id": "age_claim-c900", "text": "Candles galore", "label": "claim"}
    (tmp_path / "age_claim.jsonl").write_text(json.dumps(row))
    both = bank_exemplars(tmp_path, TAXONOMY)
    assert both[:-1] == shipped
    assert both[-1].id == "age_claim-c900"
    (tmp_path / "age_claim.jsonl").write_text("{")
    with pytest.raises(ConfigError, match=r"age_claim.jsonl:1: "):
        bank_exemplars(tmp_path, TAXONOMY)


def test_vectors_that_do_not_fit_the_bank_are_refused(folder: Path) -> None:
    vectors = unpack_vectors((folder / VECTORS).read_bytes())["exemplars"]
    (folder / VECTORS).write_bytes(pack_vectors({"exemplars": vectors[:-1]}))
    rehash(folder, VECTORS)
    with pytest.raises(DataError, match=r"exemplars but \d+ vectors; run `corroborator fit`"):
        load(folder)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(1, 9))
def test_stored_vectors_are_nearly_the_same_and_of_length_1(seed: int, count: int) -> None:
    vectors = np.random.default_rng(seed).standard_normal((count, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    content = pack_vectors({"a": vectors, "b": vectors[:0]})
    stored = unpack_vectors(content)
    assert pack_vectors({"a": vectors, "b": vectors[:0]}) == content
    assert (stored["a"] * vectors).sum(axis=1).min() > 0.99999
    assert np.linalg.norm(stored["a"], axis=1) == pytest.approx(1, abs=1e-6)
    assert stored["b"].shape == (0, 384)


@pytest.mark.parametrize("content", [b"", b"x", b"PK\x03\x04", b"\x80\x04."])
def test_what_holds_no_vectors_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="these vectors cannot be read"):
        unpack_vectors(content)


def test_a_single_array_holds_no_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(DataError, match="these vectors cannot be read"):
        unpack_vectors((tmp_path / "a.npy").read_bytes())


def test_a_manifest_has_one_form(tiny_model: Path) -> None:
    raw = (tiny_model / "manifest.json").read_bytes()
    manifest = Manifest.model_validate_json(raw)
    assert manifest_bytes(manifest) == raw
    assert json.loads(raw)["schema"] == 1


def test_the_ids_that_heads_name_are_domains_then_disclosures() -> None:
    assert taxonomy_ids(TAXONOMY) == (*DOMAINS, *PROTECTED)
