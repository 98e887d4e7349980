"""Texts to vectors: the built-in encoder, sentence-transformers, and a cache for either.

Heads and thresholds belong to the encoder they were fitted with, so every encoder has an id that
changes with its weights.
"""

from corroborator.encoders.base import Encoder
from corroborator.encoders.builtin import BuiltinEncoder
from corroborator.encoders.cache import CachedEncoder
from corroborator.encoders.sentence_transformer import SentenceTransformersEncoder
from corroborator.errors import EncoderError

__all__ = [
    "BuiltinEncoder",
    "CachedEncoder",
    "Encoder",
    "SentenceTransformersEncoder",
    "load_encoder",
]


def load_encoder(spec: str = "builtin") -> Encoder:
    """Return the encoder that a policy names.

    Args:
        spec: ``builtin``, or ``sentence-transformers:<name or path>``.

    Raises:
        EncoderError: the spec has another form, or the encoder cannot be loaded.
    """
    kind, _, name = spec.partition(":")
    if spec == "builtin":
        return BuiltinEncoder()
    if kind == "sentence-transformers" and name:
        return SentenceTransformersEncoder(name)
    raise EncoderError(
        f"there is no encoder {spec!r}: write 'builtin' or 'sentence-transformers:<name or path>'"
    )
