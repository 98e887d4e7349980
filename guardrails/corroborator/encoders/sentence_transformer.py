"""Any sentence-transformers model as an encoder; imports torch only when one is loaded."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corroborator.encoders.base import MAX_TOKENS, readable
from corroborator.errors import EncoderError


class SentenceTransformersEncoder:
    """A sentence-transformers model (extra ``sentence-transformers``, which brings torch).

    Args:
        name: a model's name on the Hugging Face hub, or the path of its folder.

    Raises:
        EncoderError: the extra is not installed, or the model cannot be loaded.
    """

    def __init__(self, name: str) -> None:
        try:
            # an extra, and slow to import
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        except ImportError as error:
            raise EncoderError(
                "sentence-transformers is not installed: "
                "pip install 'corroborator[sentence-transformers]'"
            ) from error
        try:
            self._model = SentenceTransformer(name)
        except (OSError, ValueError) as error:
            raise EncoderError(
                f"sentence-transformers cannot load {name!r}: write the name of a model that is "
                "or can be downloaded, or the path of a model's folder"
            ) from error
        own_limit = self._model.max_seq_length
        self._model.max_seq_length = min(own_limit or MAX_TOKENS, MAX_TOKENS)
        weights = hashlib.sha256()
        for key, tensor in sorted(self._model.state_dict().items()):
            weights.update(key.encode())
            weights.update(tensor.float().cpu().numpy().tobytes())
        folder = Path(name)
        shown = folder.resolve().name if folder.is_dir() else name  # ids are kept in records
        self._id = f"sentence-transformers:{shown}:{weights.hexdigest()[:12]}"
        self._lock = threading.Lock()
        self._dimensions = len(self._encode([""])[0])

    @property
    def id(self) -> str:
        """``sentence-transformers:<name>:`` and the first 12 digits of the weights' sha256."""
        return self._id

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder.encode``."""
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        return self._encode([readable(text) for text in texts])

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        with self._lock:  # two threads must not use the model's tokenizer at once
            vectors: NDArray[np.float32] = self._model.encode(
                texts, normalize_embeddings=True, show_progress_bar=False
            )
        return vectors.astype(np.float32, copy=False)
