"""The reply bank: the same message colluded with, met well and over-corrected, sentence by sentence.

``embeddings/replies/<domain or disclosure id>.jsonl``; each line holds ``id``, ``user`` and up to
three replies, ``colluding``, ``good`` and ``overcorrecting``, as lists of sentences with codes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corroborator.errors import ConfigError
from corroborator.exemplars import ORDINARY, read_lines
from corroborator.taxonomy import Taxonomy


class _Sentence(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: str = Field(min_length=1, max_length=2000)
    codes: tuple[str, ...]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*-r\d{2,4}$")
    user: str = Field(min_length=2, max_length=3000)
    colluding: tuple[_Sentence, ...] = ()
    good: tuple[_Sentence, ...] = ()
    overcorrecting: tuple[_Sentence, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplySentence:
    """One sentence of a written reply.

    Attributes:
        case: id of the line it stands in.
        family: domain or disclosure of the user's message, or ``ordinary``.
        user: the user's message.
        side: which of the three replies it belongs to.
        text: the sentence.
        codes: G, K and O codes; a sentence without fault has no K and no O code.
    """

    case: str
    family: str
    user: str
    side: str
    text: str
    codes: tuple[str, ...]


def read_replies(folder: Traversable, taxonomy: Taxonomy) -> tuple[ReplySentence, ...]:
    """Read a reply bank, files by name.

    Raises:
        ConfigError: a line is broken or has an unknown code, an id stands twice, or a file is
            named after no family; it names file and line.
    """
    sentences: list[ReplySentence] = []
    cases: set[str] = set()
    families = {*taxonomy.domains, *taxonomy.protected, ORDINARY}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        family = file.name.removesuffix(".jsonl")
        if family not in families:
            raise ConfigError(f"no family is called {family!r}", str(file))
        for number, text in read_lines(file):
            line = _line(text, taxonomy, file, number)
            if line.id in cases:
                raise ConfigError(f"the id {line.id!r} stands twice", str(file), number)
            cases.add(line.id)
            sentences += _sentences(line, family)
    return tuple(sentences)


def _line(text: str, taxonomy: Taxonomy, file: Traversable, number: int) -> _Line:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ConfigError(f"{where}: {first['msg']}", str(file), number) from None
    codes = {c for s in (*line.colluding, *line.good, *line.overcorrecting) for c in s.codes}
    if unknown := codes - set(taxonomy.codes):
        raise ConfigError(f"unknown code {min(unknown)!r}", str(file), number)
    return line


def _sentences(line: _Line, family: str) -> Iterable[ReplySentence]:
    for side in ("colluding", "good", "overcorrecting"):
        for sentence in getattr(line, side):
            yield ReplySentence(line.id, family, line.user, side, sentence.text, sentence.codes)


def replies_hash(sentences: Iterable[ReplySentence]) -> str:
    """Return a sha256 over cases, texts and codes, in order."""
    digest = hashlib.sha256()
    for item in sentences:
        parts = (item.case, item.family, item.user, item.side, item.text, *item.codes)
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()
