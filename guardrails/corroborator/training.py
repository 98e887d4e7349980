"""``corroborator fit``: from the banks to a model folder."""

import hashlib
import shutil
from collections import Counter
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
from corroborator.evaluation.labels import ReplyLabel
from corroborator.exemplars import ORDINARY, Exemplar, Vectors, bank_hash
from corroborator.fitting import (
    ALWAYS_FITTED,
    PRIOR,
    Rows,
    fit_heads,
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
from corroborator.reply_bank import ReplySentence, read_replies, replies_hash
from corroborator.reply_check import Features, mean_claim, pair_features
from corroborator.reply_training import fit_sentences, fit_whole_replies
from corroborator.resources import resource
from corroborator.statements import normalise, read_message
from corroborator.taxonomy import Taxonomy
from corroborator.version import __version__

STATEMENT_STRENGTH = 1.0
"""Inverse regularisation of the heads (scikit-learn's C)."""

STATEMENT_FIRES = 0.02
"""Share of ordinary statements, held out, that thresholds let fire."""

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
    labelled: Sequence[ReplyLabel] = (),
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
        labelled: replies of others that phrasing is fitted on besides. Without any, and with
            exemplars of a user's own, what judges replies is taken from the shipped model where
            that has the same encoder and reply bank: a user's exemplars have no say in it.

    Raises:
        ConfigError: an exemplar file is broken, scikit-learn is missing, or a family is too small.
        DataError: the stored vectors are not those of the banks.
    """
    banks = Banks.read(taxonomy, own)
    packed = encode_banks(banks, encoder) if vectors is None else vectors
    stored = unpack_vectors(packed)
    if {name: len(rows) for name, rows in stored.items()} != banks.sizes:
        raise DataError("the stored vectors are those of other banks; fit without them")
    shipped = None if own is None or labelled else _shipped(banks, encoder)
    if shipped is None:
        sources = dict(sorted(Counter(label.source for label in labelled).items()))
        sentences = fit_sentences(banks.replies, reply_features(banks, stored), taxonomy)
        phrasing = fit_whole_replies(sentences, labelled)
        judges = {REPLIES: sentences.heads.to_bytes(), PHRASING: phrasing.to_bytes()}
    else:
        sources = shipped.labelled
        judges = {name: resource("embeddings", name).read_bytes() for name in (REPLIES, PHRASING)}
    content = {
        STATEMENTS: fit_statements(banks, stored, taxonomy).to_bytes(),
        CERTAINTIES: fit_certainty(banks, stored).to_bytes(),
        **judges,
        VECTORS: packed,
    }
    manifest = Manifest(
        encoder=encoder.id,
        taxonomy=taxonomy_ids(taxonomy),
        exemplars=bank_hash(banks.exemplars),
        replies=replies_hash(banks.replies),
        labelled=sources,
        files={name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
        prior=PRIOR,
        counts=_counts(banks),
        fitted_with={"corroborator": __version__}
        | {library: version(library) for library in _LIBRARIES},
    )
    _write(out, content, manifest, own)
    return manifest


def _shipped(banks: Banks, encoder: Encoder) -> Manifest | None:
    """Return the shipped manifest if its judges of replies are those of this encoder and bank."""
    file = resource("embeddings", "manifest.json")
    if not file.is_file():
        return None
    manifest = Manifest.model_validate_json(file.read_bytes())
    same = manifest.encoder == encoder.id and manifest.replies == replies_hash(banks.replies)
    return manifest if same else None


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


def _statement_class(item: Exemplar) -> str:
    if item.positive or item.family == ORDINARY:
        return item.family
    return f"contrast:{item.family}"


def _held_out_folds(items: Sequence[Exemplar]) -> NDArray[np.intp]:
    return np.array([0 if item.held_out else ALWAYS_FITTED for item in items], dtype=np.intp)


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
