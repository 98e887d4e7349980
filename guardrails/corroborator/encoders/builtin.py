"""The encoder that ships with the package: ONNX Runtime, offline, no torch."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from tokenizers import Tokenizer

from corroborator.encoders.base import readable
from corroborator.errors import DataError, EncoderError
from corroborator.resources import resource_path

PACK_TOKENS = 160
"""Texts share a run of the network up to this many tokens: attention in it is quadratic.

``benchmarks/encode.py`` compares: long calls take some 5% more time at 256 and 17% at 512.
"""

SILENT = 4  # onnxruntime reports only errors that end the process
MEND = "reinstall it: pip install --force-reinstall --no-deps corroborator"
SHA256 = "^[0-9a-f]{64}$"


class EncoderCard(BaseModel):
    """``encoder.json``: what the files of the built-in encoder are and where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str
    onnx_sha256: str = Field(pattern=SHA256)
    tokenizer_sha256: str = Field(pattern=SHA256)
    source: str
    source_package: str
    source_sha256: str = Field(pattern=SHA256)
    licence: str
    dimensions: int = Field(gt=0)
    max_tokens: Literal[256]
    built_with: dict[str, str]

    @model_validator(mode="after")
    def _id_follows_from_model(self) -> Self:
        if self.id != f"builtin:{self.onnx_sha256[:12]}":
            raise ValueError("id is not 'builtin:' and the first 12 digits of onnx_sha256")
        return self


class BuiltinEncoder:
    """all-MiniLM-L6-v2 with 8-bit weights, or a fine-tuned copy of it.

    The graph takes texts packed end to end without padding, so a text costs only its own tokens
    and its vector does not depend on its neighbours; ``tools/build_encoder.py`` makes it. The
    vectors' mean cosine to those of the float32 weights is 0.9998 (``benchmarks/encode.py``). All
    arithmetic is float32, so processors differ by rounding only: components by less than 1e-6.

    Args:
        folder: where ``model.onnx``, ``tokenizer.json`` and ``encoder.json`` lie; the shipped ones
            by default.
        threads: for one run of the network. Servers do best with 1 and several callers.

    Raises:
        EncoderError: a file is missing, unreadable, or not the one that ``encoder.json`` names.
    """

    def __init__(self, folder: Path | None = None, *, threads: int = 1) -> None:
        if folder is None:
            folder = _shipped_folder()
        self._card = _read_card(folder / "encoder.json")
        model = _read_verified(folder / "model.onnx", self._card.onnx_sha256)
        tokenizer = _read_verified(folder / "tokenizer.json", self._card.tokenizer_sha256)
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text
        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    @property
    def id(self) -> str:
        """``builtin:`` and the first 12 digits of the sha256 of ``model.onnx``.

        That file holds the digest of its tokenizer, so the id stands for both.
        """
        return self._card.id

    @property
    def dimensions(self) -> int:
        """The length of a vector: 384."""
        return self._card.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder.encode``. Memory beside the result does not grow with the call."""
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        done = 0
        for pack in self._packs(texts):
            vectors[done : done + len(pack)] = self._run(pack)
            done += len(pack)
        return vectors

    def _packs(self, texts: Sequence[str]) -> Iterator[list[list[int]]]:
        """Yield the token ids of consecutive texts, as many as share a run."""
        pack: list[list[int]] = []
        room = PACK_TOKENS
        for text in texts:
            ids = self._tokenizer.encode(readable(text)).ids
            if pack and len(ids) > room:
                yield pack
                pack, room = [], PACK_TOKENS
            pack.append(ids)
            room -= len(ids)
        if pack:
            yield pack

    def _run(self, pack: list[list[int]]) -> NDArray[np.float32]:
        inputs = {
            "input_ids": np.fromiter(chain.from_iterable(pack), np.int64),
            "lengths": np.fromiter(map(len, pack), np.int64),
        }
        vectors: NDArray[np.float32] = self._session.run(["embeddings"], inputs)[0]
        return vectors


def _shipped_folder() -> Path:
    try:
        return resource_path("embeddings", "encoder")
    except DataError as error:
        raise EncoderError(str(error)) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise EncoderError(f"{file} cannot be read ({error.strerror}); {MEND}") from error


def _read_card(file: Path) -> EncoderCard:
    try:
        return EncoderCard.model_validate_json(_read(file))
    except ValidationError as error:
        raise EncoderError(f"{file} is damaged; {MEND}") from error


def _read_verified(file: Path, sha256: str) -> bytes:
    data = _read(file)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EncoderError(f"{file} is not the file that encoder.json names; {MEND}")
    return data
