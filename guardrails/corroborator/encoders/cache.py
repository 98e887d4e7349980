"""A cache in front of an encoder."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from corroborator.encoders.base import Encoder

CAPACITY = 4096
"""Vectors that are kept unless told otherwise: 7 MB at 384 dimensions."""

Row = NDArray[np.float32]


class CachedEncoder:
    """Keeps the vectors of the texts seen last; encodes only the others, each once.

    A text is remembered as a hash, so a long one takes no more room than a short one.

    Args:
        encoder: what encodes the texts that are not in the cache.
        capacity: how many vectors to keep; at least 1.
    """

    def __init__(self, encoder: Encoder, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._encoder = encoder
        self._capacity = capacity
        self._rows: OrderedDict[bytes, Row] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The id of the encoder inside."""
        return self._encoder.id

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        return self._encoder.dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder.encode``. The array is the caller's own: changing it changes no cache."""
        keys = [_key(text) for text in texts]
        rows = self._recall(keys)
        unseen = {key: text for key, text in zip(keys, texts, strict=True) if key not in rows}
        if unseen:
            encoded = self._encoder.encode(list(unseen.values()))
            # copies, because a view of one row would keep the whole array in memory
            fresh = {key: row.copy() for key, row in zip(unseen, encoded, strict=True)}
            self._remember(fresh)
            rows |= fresh
        vectors = np.empty((len(keys), self.dimensions), np.float32)
        for number, key in enumerate(keys):
            vectors[number] = rows[key]
        return vectors

    def _recall(self, keys: Sequence[bytes]) -> dict[bytes, Row]:
        with self._lock:
            found = {key: self._rows[key] for key in keys if key in self._rows}
            for key in found:
                self._rows.move_to_end(key)
        return found

    def _remember(self, rows: dict[bytes, Row]) -> None:
        with self._lock:
            for key, row in rows.items():
                self._rows[key] = row
                self._rows.move_to_end(key)
            while len(self._rows) > self._capacity:
                self._rows.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
