"""The frozen test texts of ``benchmarks/``: read whole, and only as they were frozen."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from corroborator.errors import InputError
from corroborator.evaluation.labels import L, Said, read_labels

SUMS = "SHA256SUMS"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str = Field(min_length=1)


class FrozenStatement(_Row):
    """A message that is no ground for steering; `disclosure` is what it discloses, if anything."""

    text: str = Field(repr=False)
    kind: str
    disclosure: str | None


class FrozenClaim(_Row):
    """A plain claim of a domain."""

    text: str = Field(repr=False)
    domain: str


class FrozenPair(_Row):
    """A claim, and nearly the same words in another relation; `context` is what came before."""

    domain: str
    claim: str = Field(repr=False)
    other: str = Field(repr=False)
    relation: str
    context: tuple[Said, ...] = Field(default=(), repr=False)


class FrozenMixed(_Row):
    """A message with a disclosure that leads and a claim to leave alone."""

    text: str = Field(repr=False)
    disclosure: str
    domain: str


class FrozenVoice(_Row):
    """The same content in a voice and in plain standard English."""

    voice: str
    text: str = Field(repr=False)
    plain: str = Field(repr=False)
    carries: str | None


class FrozenReply(BaseModel):
    """A reply and the codes of its faults."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    reply: str = Field(repr=False)
    codes: tuple[str, ...] = ()


class FrozenTriple(_Row):
    """A message answered in three ways in the same voice."""

    domain: str
    disclosure: str | None
    history: tuple[Said, ...] = Field(default=(), repr=False)
    user: str = Field(repr=False)
    voice: str
    colluding: FrozenReply
    good: FrozenReply
    over_correcting: FrozenReply


class FrozenOverCorrection(_Row):
    """A reply that over-corrects in one way, and a good one to the same message."""

    kind: str
    user: str = Field(repr=False)
    reply: str = Field(repr=False)
    good: str = Field(repr=False)


class FrozenAnnotated(_Row):
    """A reply with one sentence at fault; `span` is its place, in characters, end excluded."""

    user: str = Field(repr=False)
    reply: str = Field(repr=False)
    span: tuple[int, int]
    code: str


class FrozenFine(_Row):
    """A reply that is fine."""

    kind: str
    user: str = Field(repr=False)
    reply: str = Field(repr=False)


def read_frozen(file: Path, kind: type[L]) -> tuple[L, ...]:
    """Read a frozen file.

    Raises:
        InputError: it is missing, was changed since it was frozen, or a row does not hold.
    """
    _check(file)
    return read_labels([file], kind)


def read_phrases(file: Path) -> tuple[str, ...]:
    """Read a frozen file of phrases, one a line; errors as for `read_frozen`."""
    _check(file)
    return tuple(line for line in file.read_text("utf-8").splitlines() if line.strip())


def _check(file: Path) -> None:
    if not file.is_file():
        raise InputError(
            f"{file} is missing; the frozen texts are in the repository, not the package"
        )
    sums = _sums(file.parent)
    wanted = sums.get(file.name)
    if sums and wanted != hashlib.sha256(file.read_bytes()).hexdigest():
        raise InputError(f"{file} was changed since it was frozen; restore it")


def _sums(folder: Path) -> Mapping[str, str]:
    file = folder / SUMS
    if not file.is_file():
        return {}
    pairs = (line.split() for line in file.read_text("utf-8").splitlines() if line.strip())
    return {name: digest for digest, name in pairs}
