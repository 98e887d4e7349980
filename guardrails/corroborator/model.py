"""A fitted model: heads, the bank they were fitted on, and the manifest that binds them.

A model is a folder: ``manifest.json``, ``heads/statements.npz``, ``heads/certainty.npz``,
``heads/replies.npz``, ``heads/phrasing.npz`` and ``heads/vectors.npz`` (the bank's vectors, stored in
half precision); ``exemplars/`` beside them where it was fitted with a user's own. The shipped one is ``embeddings/``.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from corroborator.archives import opened
from corroborator.encoders import Encoder
from corroborator.errors import DataError, EncoderError
from corroborator.exemplars import (
    Exemplar,
    ExemplarBank,
    Vectors,
    bank_hash,
    read_exemplars,
    shipped_exemplars,
)
from corroborator.heads import Heads
from corroborator.phrasing import Phrasing
from corroborator.resources import resource
from corroborator.taxonomy import Taxonomy

STATEMENTS, CERTAINTIES = "heads/statements.npz", "heads/certainty.npz"
REPLIES, PHRASING = "heads/replies.npz", "heads/phrasing.npz"
VECTORS = "heads/vectors.npz"


class Manifest(BaseModel):
    """What a model was made from; ``manifest.json``.

    Attributes:
        encoder: id of the encoder whose vectors the heads read.
        taxonomy: the ids that the heads name, in order: domains, then disclosures.
        exemplars: `bank_hash` of the bank.
        replies: sha256 of the reply bank.
        labelled: replies of others that phrasing was fitted on besides, by source.
        files: path within the model -> sha256.
        prior: the share of positives that probabilities assume.
        counts: rows the heads were fitted on.
        fitted_with: versions of the libraries that fitted them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    encoder: str
    taxonomy: tuple[str, ...]
    exemplars: str
    replies: str
    labelled: dict[str, int] = {}
    files: Mapping[str, str]
    prior: float = Field(gt=0, lt=1)
    counts: Mapping[str, int]
    fitted_with: Mapping[str, str]

    @field_validator("files")
    @classmethod
    def _whole(cls, files: Mapping[str, str]) -> Mapping[str, str]:
        if set(files) != {STATEMENTS, CERTAINTIES, REPLIES, PHRASING, VECTORS}:
            raise ValueError("a model has five files")
        return files


@dataclass(frozen=True)
class Model:
    """A loaded model.

    Attributes:
        manifest: what it was made from.
        hash: sha256 of the manifest: the model's identity in records and scores.
        bank: the exemplars with their vectors.
        statements, certainty, replies: the heads.
        phrasing: of whole replies.
    """

    manifest: Manifest
    hash: str
    bank: ExemplarBank
    statements: Heads
    certainty: Heads
    replies: Heads
    phrasing: Phrasing


def load_model(folder: Path | None, encoder: Encoder, taxonomy: Taxonomy) -> Model:
    """Load a model and make sure that everything in it belongs together.

    Args:
        folder: what ``corroborator fit`` wrote; None for the shipped model.
        encoder: must be the one that the heads were fitted for.
        taxonomy: its ids must be those that the heads name.

    Raises:
        DataError: a file is missing or was changed, or does not fit the others.
        EncoderError: the heads belong to another encoder.
    """
    root: Traversable = resource("embeddings") if folder is None else folder
    remedy = "reinstall corroborator" if folder is None else "run `corroborator fit` again"
    raw = _read(root, "manifest.json", remedy)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError:
        raise DataError(f"{root}/manifest.json is not a manifest of schema 1; {remedy}") from None
    if manifest.encoder != encoder.id:
        raise EncoderError(
            f"the heads were fitted for the encoder {manifest.encoder}, not for {encoder.id};"
            " choose that encoder, or make heads for this one with `corroborator fit`"
        )
    if manifest.taxonomy != taxonomy_ids(taxonomy):
        raise DataError(f"the heads were fitted for other ids than the taxonomy has; {remedy}")
    content = {name: _read(root, name, remedy) for name in manifest.files}
    for name, digest in manifest.files.items():
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise DataError(f"{root}/{name} was changed since it was fitted; {remedy}")
    exemplars = bank_exemplars(root.joinpath("exemplars") if folder else None, taxonomy)
    if bank_hash(exemplars) != manifest.exemplars:
        raise DataError(f"the exemplars were changed since the heads were fitted; {remedy}")
    return Model(
        manifest,
        hashlib.sha256(raw).hexdigest(),
        ExemplarBank(exemplars, unpack_vectors(content[VECTORS])["exemplars"]),
        Heads.from_bytes(content[STATEMENTS]),
        Heads.from_bytes(content[CERTAINTIES]),
        Heads.from_bytes(content[REPLIES]),
        Phrasing.from_bytes(content[PHRASING]),
    )


def bank_exemplars(own: Traversable | None, taxonomy: Taxonomy) -> tuple[Exemplar, ...]:
    """Return the shipped exemplars and, where there are any, those of a user's own folder."""
    shipped = shipped_exemplars(taxonomy)
    if own is None or not own.is_dir():
        return shipped
    return shipped + read_exemplars(own, taxonomy)


def taxonomy_ids(taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return the closed ids that heads name."""
    return (*taxonomy.domains, *taxonomy.protected)


def pack_vectors(vectors: Mapping[str, Vectors]) -> bytes:
    """Store vectors in half precision: three decimal digits, cosine 0.999999 to the original."""
    buffer = io.BytesIO()
    halves = {name: rows.astype(np.float16) for name, rows in vectors.items()}
    np.savez_compressed(buffer, **halves)  # type: ignore[arg-type] # its stub knows no keywords
    return buffer.getvalue()


def unpack_vectors(content: bytes) -> dict[str, Vectors]:
    """Return stored vectors with length 1 again, in single precision.

    Raises:
        DataError: the content is not what `pack_vectors` wrote.
    """
    with opened(content, "these vectors", "fit without them") as stored:
        rows = {name: stored[name].astype(np.float32) for name in stored}
    return {name: v / np.linalg.norm(v, axis=1, keepdims=True) for name, v in rows.items()}


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return a manifest as it is stored: readable, and the same bytes for the same content."""
    data = manifest.model_dump(mode="json", by_alias=True)
    return (json.dumps(data, indent=2) + "\n").encode()


def _read(root: Traversable, name: str, remedy: str) -> bytes:
    try:
        return root.joinpath(*name.split("/")).read_bytes()
    except OSError:
        raise DataError(f"{root}/{name} is missing; {remedy}") from None
