"""Evidence: something outside a statement that bears on it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from corroborator.errors import InputError
from corroborator.taxonomy import load_taxonomy
from corroborator.yaml_file import did_you_mean

TEXT_CHARACTERS = 300

Bearing = Literal["supports", "contradicts"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record, a measurement, another person's word, or a fact that the app has authenticated.

    Only the app passes evidence; nothing that a user or a tool writes becomes evidence by itself.

    Attributes:
        domain: id of the domain whose claims it bears on, for example ``credential_claim``.
        source: from where it is, in words that the model may repeat: "the app's sign-in".
        text: what it says, in one sentence of at most 300 characters.
        bearing: whether it supports the claim or contradicts it.
        time: when it was recorded.
    """

    domain: str
    source: str
    text: str = field(repr=False)
    bearing: Bearing = "supports"
    time: datetime | None = None

    def __post_init__(self) -> None:
        if not all(isinstance(part, str) for part in (self.domain, self.source, self.text)):
            raise InputError("the domain, source and text of evidence are texts")
        domains = load_taxonomy().domains
        if self.domain not in domains:
            hint = did_you_mean(self.domain, domains) or "; the taxonomy lists them"
            raise InputError(f"evidence bears on a domain that there is not{hint}")
        if self.bearing not in ("supports", "contradicts"):
            raise InputError("the bearing of evidence is 'supports' or 'contradicts'")
        if not self.source.strip() or not self.text.strip():
            raise InputError("evidence needs a source and a text")
        if len(self.text) > TEXT_CHARACTERS or len(self.source) > TEXT_CHARACTERS:
            raise InputError(f"evidence is at most {TEXT_CHARACTERS} characters; say the gist")


def read_evidence(given: Iterable[object]) -> tuple[Evidence, ...]:
    """Return what an app passed.

    Raises:
        InputError: it is no series of `Evidence`.
    """
    if isinstance(given, Iterable):
        items = tuple(given)
        evidence = tuple(item for item in items if isinstance(item, Evidence))
        if len(evidence) == len(items):
            return evidence
    raise InputError("evidence must be a list of corroborator.Evidence")


def bearing_on(evidence: Iterable[Evidence], domain: str) -> Evidence | None:
    """Return the evidence that decides a domain: what contradicts before what supports."""
    found = [item for item in evidence if item.domain == domain]
    return min(found, key=lambda item: item.bearing != "contradicts", default=None)
