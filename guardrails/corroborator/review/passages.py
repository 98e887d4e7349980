"""Texts cut into passages, marked where something is about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from corroborator.stored_record import StoredFinding, StoredMark
from corroborator.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text, marked where something is about it.

    Attributes:
        text: as it was written.
        mark: ``claim``, ``help`` for a disclosure, ``fault`` in a reply, or None.
        title: what the mark is about.
    """

    text: str = field(repr=False)
    mark: str | None = None
    title: str = ""


def title_of(taxonomy: Taxonomy, family: str) -> str:
    """Return what a family is called."""
    entry = taxonomy.protected.get(family) or taxonomy.domains.get(family)
    return family if entry is None else entry.title


def name_of(taxonomy: Taxonomy, code: str) -> str:
    """Return what a fault of a reply is called."""
    entry = taxonomy.codes.get(code)
    return code if entry is None else entry.name


def mark_findings(
    text: str, findings: Sequence[StoredFinding], taxonomy: Taxonomy
) -> tuple[Passage, ...]:
    """Mark what was found in a message."""
    marks = [
        (f.start, f.end, "help" if f.protected else "claim", title_of(taxonomy, f.id))
        for f in findings
    ]
    return tuple(_cut(text, marks))


def mark_faults(text: str, faults: Sequence[StoredMark], taxonomy: Taxonomy) -> tuple[Passage, ...]:
    """Mark what is at fault in a reply."""
    return tuple(_cut(text, [(m.start, m.end, "fault", name_of(taxonomy, m.code)) for m in faults]))


def _cut(text: str, marks: Sequence[tuple[int, int, str, str]]) -> Iterator[Passage]:
    """Cut a text where marks begin and end; of marks that overlap the first is kept."""
    place = 0
    for start, end, mark, title in sorted(marks):
        if start < place:
            continue
        if start > place:
            yield Passage(text[place:start])
        yield Passage(text[start:end], mark, title)
        place = end
    if place < len(text):
        yield Passage(text[place:])
