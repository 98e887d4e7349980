"""What every encoder promises, and what it reads of a text."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_TOKENS = 256
"""What lies beyond this many tokens of a text, the two special ones included, is not read."""

MAX_CHARACTERS = 100 * MAX_TOKENS
"""Longer texts are cut here before they are split into tokens.

WordPiece, the tokenizer of the built-in encoder, reads a word of more than 100 characters as one
unknown token; so the cut shortens only texts that hold stretches of such words, white space or
invisible characters.
"""


class Encoder(Protocol):
    """Turns texts into vectors whose dot product is their cosine similarity.

    Any ``str`` has a vector: an empty or unreadable text has that of no words at all. Safe to
    share between threads.
    """

    @property
    def id(self) -> str:
        """What fitted heads are tied to; it changes when the weights change."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row of length 1 for each text, in order: shape (texts, dimensions).

        A row does not depend on the other texts in the call (cosine at least 0.99999). Only the
        first 256 tokens of a text count. No texts give shape (0, dimensions).
        """
        ...


def readable(text: str) -> str:
    """Cut the text to ``MAX_CHARACTERS``, and make it Unicode that a tokenizer accepts.

    Two surrogates that stand for one character become that character; a lone one becomes U+FFFD.
    """
    cut = text[:MAX_CHARACTERS]
    return cut.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
