"""What the exemplar bank covers: family by positives, near misses, carriers and lengths."""

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from corroborator.evaluation.markdown import table
from corroborator.exemplars import ORDINARY, Carrier, Exemplar, Kind
from corroborator.taxonomy import Taxonomy

Families = Mapping[str, Sequence[Exemplar]]

LENGTHS = (8, 21, 41)
"""Numbers of words at which a new class of length begins."""


def coverage(bank: Sequence[Exemplar], taxonomy: Taxonomy) -> str:
    """Return the tables for a bank, families in the order of the taxonomy."""
    families = [*taxonomy.domains, *taxonomy.protected, ORDINARY]
    own = {name: [item for item in bank if item.family == name] for name in families}
    positives = {name: [item for item in items if item.positive] for name, items in own.items()}
    misses = {name: [item for item in items if not item.positive] for name, items in own.items()}
    return "\n".join(
        [
            "Exemplars by family, and by words:\n",
            _lengths(own, positives, misses),
            "Claims and disclosures by carrier:\n",
            _tags(positives, get_args(Carrier)),
            "Near misses by kind:\n",
            _tags(misses, get_args(Kind)),
        ]
    )


def _lengths(own: Families, positives: Families, misses: Families) -> str:
    lines = [
        [name, len(positives[name]), len(misses[name]), *_by_length(items)]
        for name, items in own.items()
    ]
    bounds = [1, *LENGTHS]
    classes = [f"{low} to {high - 1}" for low, high in zip(bounds, LENGTHS, strict=False)]
    header = ["family", "positives", "near misses", *classes, f"{LENGTHS[-1]} and more"]
    return table(header, [*lines, _sum(lines)])


def _by_length(items: Iterable[Exemplar]) -> list[int]:
    counts = [0] * (len(LENGTHS) + 1)
    for item in items:
        counts[sum(len(item.text.split()) >= bound for bound in LENGTHS)] += 1
    return counts


def _tags(items: Families, tags: Sequence[str]) -> str:
    lines = [
        [name, *(sum(item.tag == tag for item in own) for tag in tags)]
        for name, own in items.items()
        if own
    ]
    header = ["family", *(tag.replace("_", " ") for tag in tags)]
    return table(header, [*lines, _sum(lines)])


def _sum(lines: Sequence[Sequence[object]]) -> list[object]:
    columns = list(zip(*lines, strict=True))[1:]
    return ["all", *(sum(int(str(count)) for count in column) for column in columns)]
