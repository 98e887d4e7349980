"""The exemplar bank: hand-written statements that are claims or disclosures, and near misses.

A bank is a folder of JSON Lines files, one a family: ``<domain id>.jsonl``,
``protected/<disclosure id>.jsonl`` and ``ordinary.jsonl``. Each line holds ``id``, ``text``,
``label`` (``claim``, ``disclosure`` or ``contrast``) and, by label, ``carrier`` or ``kind``.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import faiss
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.statements import normalise
from corroborator.taxonomy import Taxonomy

Vectors = NDArray[np.float32]

ORDINARY = "ordinary"

Carrier = Literal[
    "assertion",
    "boosted_certainty",
    "vague_minimiser",
    "presupposition",
    "confirmation_question",
    "displacement",
    "retraction",
    "euphemism_slang",
    "implicit",
    "dialect_or_nonnative",
]
Kind = Literal[
    "insight_or_past",
    "reality_testing",
    "quoted_or_fiction",
    "hypothetical",
    "third_party",
    "information_question",
    "professional",
    "corroborated",
    "plain_symptom",
    "stated_diagnosis",
    "pure_feeling",
    "cultural_or_faith",
    "idiom_or_joke",
    "bare_mention",
    "ordinary",
    "protected",
    "claim_elsewhere",
]


class _Line(BaseModel):
    """One line of an exemplar file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*-[a-z]\d{2,4}$")
    text: str = Field(min_length=1, max_length=1500)
    label: Literal["claim", "disclosure", "contrast"]
    carrier: Carrier | None = None
    kind: Kind | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One hand-written statement.

    Attributes:
        id: unique in the bank, for example ``alcohol_use_report-c07``.
        family: the domain or protected disclosure it belongs to, or ``ordinary``.
        text: the statement itself.
        positive: whether it is a claim (or a disclosure) of its family; otherwise a near miss.
        tag: the carrier of a positive, the kind of a near miss.
    """

    id: str
    family: str
    text: str = field(repr=False)
    positive: bool
    tag: str | None

    @property
    def held_out(self) -> bool:
        """Whether it is one of the fifth that no encoder is tuned on.

        Calibration and thresholds come from these rows: on the others a tuned encoder is surer
        than it is on statements that it has never seen.
        """
        return int(hashlib.sha256(self.id.encode()).hexdigest()[:8], 16) % 5 == 0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An exemplar and its cosine similarity to a statement, in [-1, 1]."""

    exemplar: Exemplar
    similarity: float


def read_exemplars(folder: Traversable, taxonomy: Taxonomy) -> tuple[Exemplar, ...]:
    """Read a bank in a fixed order: files by name, protected ones last.

    Raises:
        ConfigError: a line is broken, an id or a text occurs twice, or a file is named after no
            family of the taxonomy; it names file and line.
    """
    exemplars: list[Exemplar] = []
    ids: dict[str, str] = {}
    texts: dict[str, str] = {}
    for file, family in _files(folder, taxonomy):
        for number, line in read_lines(file):
            exemplar = _exemplar(line, family, taxonomy, file, number)
            place = f"{file.name}:{number}"
            _refuse_twice(ids, exemplar.id, place, "id", file, number)
            _refuse_twice(texts, normalise(exemplar.text).casefold(), place, "text", file, number)
            exemplars.append(exemplar)
    return tuple(exemplars)


def read_lines(file: Traversable) -> Iterator[tuple[int, str]]:
    """Yield the lines of a JSON Lines file that are not blank, with their numbers.

    Raises:
        ConfigError: the file is not UTF-8.
    """
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
    else:
        # not splitlines: text may hold U+2028, U+0085 and the like
        yield from ((n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip())
        return
    raise ConfigError("this is not UTF-8 text; save the file as UTF-8", str(file), number)


def _files(folder: Traversable, taxonomy: Taxonomy) -> Iterator[tuple[Traversable, str]]:
    protected = folder.joinpath("protected")
    places = [(folder, {*taxonomy.domains, ORDINARY})]
    if protected.is_dir():
        places.append((protected, set(taxonomy.protected)))
    for place, families in places:
        for file in sorted(place.iterdir(), key=lambda item: item.name):
            if not file.name.endswith(".jsonl"):
                continue
            family = file.name.removesuffix(".jsonl")
            if family not in families:
                raise ConfigError(
                    f"no family is called {family!r}; name the file after one of"
                    f" {', '.join(sorted(families))}",
                    str(file),
                )
            yield file, family


def _exemplar(
    line: str, family: str, taxonomy: Taxonomy, file: Traversable, number: int
) -> Exemplar:
    try:
        read = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        problem = f"{where}: {first['msg']}"
        raise ConfigError(problem, str(file), number) from None
    positive_label = "disclosure" if family in taxonomy.protected else "claim"
    expected = ("contrast",) if family == ORDINARY else (positive_label, "contrast")
    if read.label not in expected:
        problem = f"label must be {' or '.join(map(repr, expected))} here"
        raise ConfigError(problem, str(file), number)
    positive = read.label != "contrast"
    if (read.kind if positive else read.carrier) is not None:
        raise ConfigError("a positive has a carrier, a contrast has a kind", str(file), number)
    return Exemplar(read.id, family, read.text, positive, read.carrier or read.kind)


def _refuse_twice(
    seen: dict[str, str], value: str, place: str, what: str, file: Traversable, number: int
) -> None:
    if value in seen:
        raise ConfigError(f"this {what} stands already at {seen[value]}", str(file), number)
    seen[value] = place


def bank_hash(exemplars: Iterable[Exemplar]) -> str:
    """Return a sha256 over ids, families, labels and texts, in order."""
    digest = hashlib.sha256()
    for item in exemplars:
        parts = (item.id, item.family, "+" if item.positive else "-", item.text)
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()


@dataclass(frozen=True)
class ExemplarBank:
    """Exemplars with their vectors, searchable by exact inner product (FAISS).

    Attributes:
        exemplars: in the order of the vectors.
        vectors: shape (number of exemplars, dimensions), rows of length 1.
    """

    exemplars: tuple[Exemplar, ...]
    vectors: Vectors = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.exemplars) != len(self.vectors):
            raise DataError(
                f"{len(self.exemplars)} exemplars but {len(self.vectors)} vectors; run"
                " `corroborator fit` to make them anew"
            )

    @cached_property
    def hash(self) -> str:
        """The `bank_hash` of its exemplars."""
        return bank_hash(self.exemplars)

    @cached_property
    def _sides(self) -> tuple["_Index", "_Index"]:
        positive = np.array([item.positive for item in self.exemplars], dtype=bool)
        return _Index(self, np.flatnonzero(positive)), _Index(self, np.flatnonzero(~positive))

    def nearest_positives(self, vectors: Vectors, k: int) -> list[list[Neighbour]]:
        """Return for each vector its k nearest claims or disclosures, over all families."""
        return self._sides[0].search(vectors, k)

    def nearest_contrasts(self, vectors: Vectors, k: int) -> list[list[Neighbour]]:
        """Return for each vector its k nearest near misses and ordinary statements."""
        return self._sides[1].search(vectors, k)


class _Index:
    def __init__(self, bank: ExemplarBank, rows: NDArray[np.intp]) -> None:
        self._exemplars: Sequence[Exemplar] = [bank.exemplars[row] for row in rows]
        self._faiss = faiss.IndexFlatIP(bank.vectors.shape[1])
        self._faiss.add(np.ascontiguousarray(bank.vectors[rows], dtype=np.float32))

    def search(self, vectors: Vectors, k: int) -> list[list[Neighbour]]:
        if not len(vectors):
            return []
        similarities, rows = self._faiss.search(np.ascontiguousarray(vectors), k)
        return [
            [
                Neighbour(self._exemplars[r], float(s))
                for s, r in zip(sims, found, strict=True)
                if r >= 0
            ]
            for sims, found in zip(similarities, rows, strict=True)
        ]


def shipped_exemplars(taxonomy: Taxonomy) -> tuple[Exemplar, ...]:
    """Read the bank that ships with the package."""
    return read_exemplars(resource("embeddings", "exemplars"), taxonomy)


def user_exemplars(folder: Path, taxonomy: Taxonomy) -> tuple[Exemplar, ...]:
    """Read a user's own bank, which adds to the shipped one.

    Raises:
        ConfigError: the folder does not exist, or what `read_exemplars` refuses.
    """
    if not folder.is_dir():
        raise ConfigError("this folder of exemplars does not exist", folder)
    return read_exemplars(folder, taxonomy)
