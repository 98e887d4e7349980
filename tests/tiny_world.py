"""A second encoder, with hand-made heads, so that a test knows what a statement is taken for.

The encoder is a bag of words. The ids of the taxonomy, the reply codes and ``surely`` are words
with a place of their own; all others share some places by a hash. The heads read those places: a
sentence that holds the word ``alcohol_use_report`` is a claim of that domain, one that holds ``k1``
adopts a claim, and so does one that holds the id that the user's claim holds.
"""

import hashlib
import re
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.encoders import Encoder
from corroborator.exemplars import bank_hash, shipped_exemplars
from corroborator.fitting import PRIOR
from corroborator.heads import Gate, Heads
from corroborator.model import (
    CERTAINTIES,
    PHRASING,
    REPLIES,
    STATEMENTS,
    VECTORS,
    Manifest,
    manifest_bytes,
    pack_vectors,
    taxonomy_ids,
)
from corroborator.phrasing import BUCKETS, Blend, Phrasing
from corroborator.reply_check import COLLUSION, OVER_CORRECTION
from corroborator.taxonomy import load_taxonomy

CANARY = "zebracanary7c1"

TAXONOMY = load_taxonomy()
DOMAINS, PROTECTED = tuple(TAXONOMY.domains), tuple(TAXONOMY.protected)
FAULTS = tuple(code for code in TAXONOMY.codes if not code.startswith("G"))
SURELY = "surely"

_OWN = (*DOMAINS, *PROTECTED, SURELY, *(code.lower() for code in FAULTS))
_PLACE = {word: place for place, word in enumerate(_OWN, start=1)}
_WORD = re.compile(r"\w+")
DIMENSIONS = 128
STRENGTH, BIAS = 80.0, -8.0
THRESHOLD = 0.3


class WordEncoder:
    """A bag of words; place 0 is that of no words at all."""

    def __init__(self, dimensions: int = DIMENSIONS) -> None:
        self._dimensions = dimensions

    @property
    def id(self) -> str:
        return f"words:{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self._dimensions), dtype=np.float32)
        rows[:, 0] = 1
        for row, text in zip(rows, texts, strict=True):
            for word in _WORD.findall(text.casefold()):
                row[self._place(word)] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def _place(self, word: str) -> int:
        own = _PLACE.get(word)
        if own is not None and own < self._dimensions:
            return own
        first = len(_OWN) + 1 if self._dimensions > len(_OWN) + 1 else 1
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest()
        return first + int.from_bytes(digest) % (self._dimensions - first)


class FailingEncoder(WordEncoder):
    """Fails on texts that hold the canary, and quotes them as some libraries do."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for text in texts:
            if CANARY in text:
                raise RuntimeError(f"cannot encode {text!r}")
        return super().encode(texts)


def said(*words: str) -> str:
    """Return a sentence that holds some words, for example ids."""
    return f"I told you about {' and '.join(words)} again this evening."


def statement_heads() -> Heads:
    """Return heads that read the places of the ids."""
    return _heads((*DOMAINS, *PROTECTED), {CLAIM: DOMAINS, DISCLOSURE: PROTECTED})


def certainty_heads() -> Heads:
    """Return a head that reads the word ``surely``."""
    return _heads((SURELY,), {CERTAINTY: (SURELY,)})


def reply_heads() -> Heads:
    """Return heads that read the codes; K1 stands for what claim and sentence share, too."""
    gates = {
        COLLUSION: tuple(code for code in FAULTS if code.startswith("K")),
        OVER_CORRECTION: tuple(code for code in FAULTS if code.startswith("O")),
    }
    sentence = _heads(FAULTS, gates)
    shared = np.zeros_like(sentence.weights)
    shared[sentence.classes.index("K1"), [_PLACE[f] for f in (*DOMAINS, *PROTECTED)]] = STRENGTH
    return replace(sentence, weights=np.hstack([sentence.weights, shared]))


def reply_phrasing() -> Phrasing:
    """Return a phrasing that tells nothing: a reply is what its sentences are."""
    blends = {gate: Blend(1.0, 0.0, 0.0, THRESHOLD) for gate in (COLLUSION, OVER_CORRECTION)}
    return Phrasing(np.ones(BUCKETS, np.float32), np.zeros((2, BUCKETS), np.float32), blends)


def _heads(families: tuple[str, ...], gates: dict[str, tuple[str, ...]]) -> Heads:
    weights = np.zeros((len(families) + 1, DIMENSIONS), dtype=np.float32)
    for row, family in enumerate(families):
        weights[row, _PLACE[family.lower()]] = STRENGTH
    return Heads(
        (*families, "neither"),
        weights,
        np.array([BIAS] * len(families) + [0.0]),
        {name: Gate(own, 1.0, 0.0, THRESHOLD) for name, own in gates.items()},
    )


def write_model(folder: Path, encoder: Encoder) -> Path:
    """Write a whole model folder with the hand-made heads, as ``corroborator fit`` does."""
    exemplars = shipped_exemplars(TAXONOMY)
    vectors = encoder.encode([item.text for item in exemplars])
    content = {
        STATEMENTS: statement_heads().to_bytes(),
        CERTAINTIES: certainty_heads().to_bytes(),
        REPLIES: reply_heads().to_bytes(),
        PHRASING: reply_phrasing().to_bytes(),
        VECTORS: pack_vectors({"exemplars": vectors}),
    }
    (folder / "heads").mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    manifest = Manifest(
        encoder=encoder.id,
        taxonomy=taxonomy_ids(TAXONOMY),
        exemplars=bank_hash(exemplars),
        replies="none",
        files={name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
        prior=PRIOR,
        counts={},
        fitted_with={},
    )
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))
    return folder


def everything_told(error: BaseException) -> str:
    """Return all that a log or an error tracker could learn from an exception."""
    told: list[str] = []
    pending: list[BaseException | None] = [error]
    while pending:
        found = pending.pop()
        if found is None:
            continue
        told += [str(found), repr(found), repr(found.args), repr(vars(found))]
        told += getattr(found, "__notes__", [])
        pending += [found.__cause__, found.__context__]
    told += traceback.format_exception(error)
    return "\n".join(told)


def conversation(*texts: str) -> list[dict[str, str]]:
    """Return a conversation in which user and assistant take turns."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def ids(items: Iterable[object], name: str = "family") -> list[object]:
    """Return one attribute of each item."""
    return [getattr(item, name) for item in items]
