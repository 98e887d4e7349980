"""``corroborator fit``: from the banks to a model folder."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from corroborator.detectors import CERTAINTY, CLAIM, DISCLOSURE
from corroborator.encoders import Encoder
from corroborator.errors import ConfigError, DataError
from corroborator.exemplars import ORDINARY, Exemplar, Vectors, bank_hash
from corroborator.fitting import (
    ALWAYS_FITTED,
    PRIOR,
    Rows,
    fit_and_judge,
    fit_heads,
    fit_phrasing,
)
from corroborator.heads import Heads
from corroborator.model import (
    CERTAINTIES,
    PHRASING,
    REPLIES,
    STATEMENTS,
    VECTORS,
    Manifest,
    bank_exemplars,
    manifest_bytes,
    pack_vectors,
    taxonomy_ids,
    unpack_vectors,
)
from corroborator.phrasing import Phrasing, ngram_counts
from corroborator.reply_bank import ReplySentence, read_replies, replies_hash
from corroborator.reply_check import (
    COLLUSION,
    OVER_CORRECTION,
    Features,
    mean_claim,
    pair_features,
)
from corroborator.resources import resource
from corroborator.statements import normalise, read_message
from corroborator.taxonomy import Taxonomy
from corroborator.version import __version__

REPLY_FOLDS = 5

STATEMENT_STRENGTH, REPLY_STRENGTH, PHRASING_STRENGTH = 1.0, 3.0, 10.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

STATEMENT_FIRES, REPLY_FIRES = 0.02, 0.01
"""Shares of ordinary statements and of good replies, held out, that thresholds let fire.

For replies it is small because those of models are longer than ours and score higher: see the
shares of other sources' fine replies in ``docs/accuracy.md``.
"""

_CERTAINTY = {
    "boosted_certainty": "sure",
    "vague_minimiser": "unsure",
    "confirmation_question": "unsure",
    "reality_testing": "unsure",
}
_LIBRARIES = ("numpy", "scikit-learn", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class Banks:
    """What heads are fitted on."""

    exemplars: tuple[Exemplar, ...]
    replies: tuple[ReplySentence, ...]

    @classmethod
    def read(cls, taxonomy: Taxonomy, own: Path | None = None) -> Self:
        """Read the shipped banks and, where given, a user's own exemplars.

        Raises:
            ConfigError: a line is broken, or the user's folder does not exist.
        """
        if own is not None and not own.is_dir():
            raise ConfigError("this folder of exemplars does not exist", own)
        exemplars = bank_exemplars(own, taxonomy)
        return cls(exemplars, read_replies(resource("embeddings", "replies"), taxonomy))

    @property
    def sizes(self) -> dict[str, int]:
        """How many vectors of each kind there are."""
        return {
            "exemplars": len(self.exemplars),
            "replies": len(self.replies),
            "messages": len(self.messages),
        }

    @property
    def messages(self) -> dict[str, str]:
        """The user messages of the reply bank, by case."""
        return {item.case: item.user for item in self.replies}


def fit_model(
    out: Path,
    taxonomy: Taxonomy,
    encoder: Encoder,
    *,
    own: Path | None = None,
    vectors: bytes | None = None,
) -> Manifest:
    """Fit all heads and write a model folder.

    Args:
        out: the folder; its ``manifest.json`` is written last, so that a fit that was cut short
            leaves no model that loads.
        taxonomy: names the heads.
        encoder: makes the vectors, and is named in the manifest.
        own: a folder of exemplars that add to the shipped ones.
        vectors: stored vectors of the same banks (``heads/vectors.npz``) in place of encoding:
            the same vectors give the same bytes.

    Raises:
        ConfigError: an exemplar file is broken, scikit-learn is missing, or a family is too small.
        DataError: the stored vectors are not those of the banks.
    """
    banks = Banks.read(taxonomy, own)
    packed = encode_banks(banks, encoder) if vectors is None else vectors
    stored = unpack_vectors(packed)
    if {name: len(rows) for name, rows in stored.items()} != banks.sizes:
        raise DataError("the stored vectors are those of other banks; fit without them")
    replies, phrasing = fit_replies(banks, stored, taxonomy)
    content = {
        STATEMENTS: fit_statements(banks, stored, taxonomy).to_bytes(),
        CERTAINTIES: fit_certainty(banks, stored).to_bytes(),
        REPLIES: replies.to_bytes(),
        PHRASING: phrasing.to_bytes(),
        VECTORS: packed,
    }
    manifest = Manifest(
        encoder=encoder.id,
        taxonomy=taxonomy_ids(taxonomy),
        exemplars=bank_hash(banks.exemplars),
        replies=replies_hash(banks.replies),
        files={name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
        prior=PRIOR,
        counts=_counts(banks),
        fitted_with={"corroborator": __version__}
        | {library: version(library) for library in _LIBRARIES},
    )
    _write(out, content, manifest, own)
    return manifest


def encode_banks(banks: Banks, encoder: Encoder) -> bytes:
    """Encode exemplars, reply sentences and the messages they answer, and pack the vectors."""
    messages = [mean_claim(encoder.encode(_statements(text))) for text in banks.messages.values()]
    return pack_vectors(
        {
            "exemplars": encoder.encode([normalise(item.text) for item in banks.exemplars]),
            "replies": encoder.encode([normalise(item.text) for item in banks.replies]),
            "messages": np.stack(messages),
        }
    )


def fit_statements(banks: Banks, stored: dict[str, Vectors], taxonomy: Taxonomy) -> Heads:
    """Fit what a statement can be: a claim, a disclosure, a near miss of a family, or ordinary."""
    places = [p for p, item in enumerate(banks.exemplars) if item.tag != "claim_elsewhere"]
    items = [banks.exemplars[place] for place in places]
    rows = Rows(
        stored["exemplars"][places],
        np.array([_statement_class(item) for item in items]),
        _held_out_folds(items),
        np.array([(item.family, item.tag) == (ORDINARY, "ordinary") for item in items]),
        [item.id for item in items],
        STATEMENT_STRENGTH,
        STATEMENT_FIRES,
    )
    return fit_heads(rows, {CLAIM: tuple(taxonomy.domains), DISCLOSURE: tuple(taxonomy.protected)})


def fit_certainty(banks: Banks, stored: dict[str, Vectors]) -> Heads:
    """Fit how surely a claim is stated, from the carriers of the exemplars."""
    places = [p for p, item in enumerate(banks.exemplars) if item.tag in _CERTAINTY]
    items = [banks.exemplars[place] for place in places]
    rows = Rows(
        stored["exemplars"][places],
        np.array([_CERTAINTY[item.tag or ""] for item in items]),
        _held_out_folds(items),
        np.zeros(len(items), dtype=bool),
        [item.id for item in items],
        STATEMENT_STRENGTH,
        STATEMENT_FIRES,
    )
    return fit_heads(rows, {CERTAINTY: ("sure",)})


def fit_replies(
    banks: Banks, stored: dict[str, Vectors], taxonomy: Taxonomy
) -> tuple[Heads, Phrasing]:
    """Fit what judges replies: heads for their sentences, a reply being one pool, and phrasing."""
    items = banks.replies
    rows = Rows(
        reply_features(banks, stored),
        np.array([_reply_class(item) for item in items]),
        _case_folds([item.case for item in items]),
        np.array([item.side == "good" for item in items]),
        [_reply_id(item) for item in items],
        REPLY_STRENGTH,
        REPLY_FIRES,
    )
    codes = {
        COLLUSION: [code for code in taxonomy.codes if code.startswith("K")],
        OVER_CORRECTION: [code for code in taxonomy.codes if code.startswith("O")],
    }
    heads, judged = fit_and_judge(rows, codes)
    replies: dict[str, list[str]] = {}
    for item in items:
        replies.setdefault(_reply_id(item), []).append(normalise(item.text))
    counts = np.stack([ngram_counts(replies[name]) for name in sorted(replies)])
    return heads, fit_phrasing(counts, rows, heads, judged, PHRASING_STRENGTH)


def _statement_class(item: Exemplar) -> str:
    if item.positive or item.family == ORDINARY:
        return item.family
    return f"contrast:{item.family}"


def _reply_id(item: ReplySentence) -> str:
    return f"{item.case}/{item.side}"


def _reply_class(item: ReplySentence) -> str:
    faults = [code for code in item.codes if not code.startswith("G")]
    return faults[0] if faults else f"fine:{item.side}"


def _held_out_folds(items: Sequence[Exemplar]) -> NDArray[np.intp]:
    return np.array([0 if item.held_out else ALWAYS_FITTED for item in items], dtype=np.intp)


def _case_folds(cases: Sequence[str]) -> NDArray[np.intp]:
    """Deal the cases into folds, each whole; the order of first appearance decides."""
    order = {case: position for position, case in enumerate(dict.fromkeys(cases))}
    return np.array([order[case] % REPLY_FOLDS for case in cases], dtype=np.intp)


def reply_features(banks: Banks, stored: dict[str, Vectors]) -> Features:
    """Return the pair features of every sentence of the reply bank."""
    claims = dict(zip(banks.messages, stored["messages"], strict=True))
    rows = [
        pair_features(claims[item.case], stored["replies"][row : row + 1])
        for row, item in enumerate(banks.replies)
    ]
    return np.concatenate(rows)


def _statements(text: str) -> list[str]:
    return [statement.text for statement in read_message(text).statements]


def _counts(banks: Banks) -> dict[str, int]:
    positives = sum(item.positive for item in banks.exemplars)
    return {
        "exemplars": len(banks.exemplars),
        "positives": positives,
        "reply_sentences": len(banks.replies),
        "reply_messages": len(banks.messages),
    }


def _write(out: Path, content: dict[str, bytes], manifest: Manifest, own: Path | None) -> None:
    (out / "heads").mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").unlink(missing_ok=True)
    for name, data in content.items():
        (out / name).write_bytes(data)
    if own is not None and own.resolve() != (out / "exemplars").resolve():
        shutil.copytree(own, out / "exemplars", dirs_exist_ok=True)
    (out / "manifest.json").write_bytes(manifest_bytes(manifest))
