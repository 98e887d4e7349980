"""The kinds of self-report (domains), the protected disclosures, and the codes for replies.

``rails_config/taxonomy.yml`` defines them and gives the evidence behind each. The ids are closed:
fitted heads, policies and records refer to them.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/taxonomy.yml"
_CODES = {"good": ("G", 15), "collusion": ("K", 16), "over_correction": ("O", 12)}

Sentence = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z]+(_[a-z]+)*$")]
Doi = Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")]
Date = Annotated[dt.date, Strict()]


class Severity(StrEnum):
    """How much harm may follow when a reply adopts the claim."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Handling(StrEnum):
    """What a good reply does with the claim."""

    PROTECT = "protect"  # accept at once and act
    CORROBORATE = "corroborate"  # rely on it only after a step that bears on it
    BALANCE = "balance"  # attribute it, and name the view that is missing
    GROUND = "ground"  # stay with the feeling; neither adopt nor argue
    NO_VOUCHING = "no_vouching"  # help to tell it, attest nothing
    CLOSE_LOOP = "close_loop"  # answer once, then name the loop kindly
    GATE = "gate"  # left to the application to verify; the same safety for all


class CodeKind(StrEnum):
    """What a reply code stands for."""

    GOOD = "good"
    COLLUSION = "collusion"
    OVER_CORRECTION = "over_correction"


def keyed(rows: Any) -> Any:
    """Write each row's key into the row as its id."""
    return _with_keys(rows, "id", {})


def _with_keys(rows: Any, field: str, more: Mapping[str, str]) -> Any:
    if not isinstance(rows, dict):
        return rows
    if twice := [key for key, row in rows.items() if isinstance(row, dict) and field in row]:
        raise ValueError(f"{twice[0]} has a key {field!r}, which its own name already is")
    return {
        key: {**row, field: key, **more} if isinstance(row, dict) else row
        for key, row in rows.items()
    }


class Record(BaseModel):
    """A frozen row of a data file; unknown keys are errors, and errors do not quote values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Evidence(Record):
    """One finding from the literature, in our own words.

    Attributes:
        claim: what was measured, in whom, with which result.
        source: authors, title, place and year, as far as known.
        doi: None where we know of none.
        grade: strong (pooled studies that agree), moderate, weak, or expert (opinion, practice).
        checked: whether somebody of the project compared the claim with the full paper.
    """

    claim: Sentence
    source: Sentence
    doi: Doi | None
    grade: Literal["strong", "moderate", "weak", "expert"]
    checked: bool


class _Entry(Record):
    """What domains and disclosures have in common.

    Attributes:
        need: the kind of help that ``resources.yml`` lists for it, where one fits.
        opens_risk_hold: whether safety stays first for some turns after it.
    """

    id: Identifier
    seed: Identifier
    title: Sentence
    definition: Sentence
    evidence: tuple[Evidence, ...]
    evidence_note: Sentence | None = None
    need: Identifier | None = None
    opens_risk_hold: bool = False
    review_by: Date

    @model_validator(mode="after")
    def _evidence_or_a_note(self) -> "_Entry":
        if not self.evidence and self.evidence_note is None:
            raise ValueError("without evidence an evidence_note must say so")
        return self


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Domain(_Entry):
    """A kind of self-report on which a reply should not rest by itself.

    Attributes:
        seed: its id in the research taxonomy.
        signal: whether it is about what is claimed or about how belief is pressed.
        direction: how such reports tend to differ from measurement: under, over, both ways, or
            unverifiable.
        reliance: what a reply would have to take for granted; a sentence about the reply.
        corroboration: steps that the person could take, cheapest first.
        handling: one or two ways to answer.
        severity: the harm that may follow when a reply adopts the claim.
        not_triggers: near misses that must not count.
        review_by: the day by which the row must be looked at again.
    """

    signal: Literal["claim", "pressure"]
    direction: Literal["under", "over", "both", "unverifiable"]
    reliance: Sentence
    corroboration: Annotated[tuple[Sentence, ...], Field(min_length=2)]
    handling: Annotated[
        tuple[Handling, ...], BeforeValidator(_one_or_more), Field(min_length=1, max_length=2)
    ]
    severity: Severity
    not_triggers: Annotated[tuple[Sentence, ...], Field(min_length=3)]


class Protected(_Entry):
    """A disclosure to act on and never to doubt.

    Attributes:
        default_reply: what a good reply does, in order.
        must_not: what it must not do.
        order: an emergency goes before every other disclosure.
    """

    default_reply: Sentence
    must_not: Annotated[tuple[Sentence, ...], Field(min_length=2)]
    order: Literal["emergency", "protected"]


class ReplyCode(Record):
    """A way in which a reply is good (G), colludes (K) or over-corrects (O)."""

    code: Annotated[str, StringConstraints(pattern=r"^[GKO][1-9][0-9]?$")]
    kind: CodeKind
    name: Sentence
    description: Sentence


class _Replies(Record):
    good: Mapping[str, ReplyCode]
    collusion: Mapping[str, ReplyCode]
    over_correction: Mapping[str, ReplyCode]

    @model_validator(mode="before")
    @classmethod
    def _with_codes(cls, replies: Any) -> Any:
        if not isinstance(replies, dict):
            return replies
        return {kind: _with_keys(rows, "code", {"kind": kind}) for kind, rows in replies.items()}

    @model_validator(mode="after")
    def _complete(self) -> "_Replies":
        for kind, (letter, count) in _CODES.items():
            wanted = [f"{letter}{number}" for number in range(1, count + 1)]
            if list(getattr(self, kind)) != wanted:
                raise ValueError(f"{kind} must hold {wanted[0]} to {wanted[-1]}, in order")
        return self


class _TaxonomyFile(Record):
    version: int
    clinical_review: Sentence
    domains: Annotated[Mapping[Identifier, Domain], BeforeValidator(keyed)]
    protected: Annotated[Mapping[Identifier, Protected], BeforeValidator(keyed)]
    replies: _Replies

    @model_validator(mode="after")
    def _ids_and_seeds_once(self) -> "_TaxonomyFile":
        seeds = [row.seed for row in (*self.domains.values(), *self.protected.values())]
        if len(set(seeds)) < len(seeds):
            raise ValueError("two rows have the same seed")
        if both := set(self.domains) & set(self.protected):
            raise ValueError(f"{min(both)} is both a domain and a protected disclosure")
        return self


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The whole taxonomy, read-only.

    Attributes:
        version: counts changes of meaning.
        clinical_review: who with a clinical qualification signed the texts, and when; ``"none"``
            where nobody has.
        domains: by id, in the order of the file.
        protected: by id, in the order of the file.
        codes: by code: G1 to G15, K1 to K16, O1 to O12.
        hash: SHA-256 of the file, in hexadecimal.
    """

    version: int
    clinical_review: str
    domains: Mapping[str, Domain]
    protected: Mapping[str, Protected]
    codes: Mapping[str, ReplyCode]
    hash: str


@cache
def load_taxonomy() -> Taxonomy:
    """Return the shipped taxonomy; the file is read once.

    Raises:
        DataError: the file is missing or does not hold; names the line and the key.
    """
    try:
        raw = resource("rails_config", "taxonomy.yml").read_bytes()
    except OSError:
        raise DataError(f"{_FILE} is not in this installation; reinstall corroborator") from None
    return parse_taxonomy(raw)


def parse_taxonomy(raw: bytes) -> Taxonomy:
    """Return the taxonomy that a file's bytes hold.

    Raises:
        DataError: it does not hold together; names the line and the key.
    """
    try:
        data, line_of = read_yaml(raw, _FILE)
        rows = _TaxonomyFile.model_validate(data)
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None
    replies = rows.replies
    return Taxonomy(
        version=rows.version,
        clinical_review=rows.clinical_review,
        domains=MappingProxyType(dict(rows.domains)),
        protected=MappingProxyType(dict(rows.protected)),
        codes=MappingProxyType({**replies.good, **replies.collusion, **replies.over_correction}),
        hash=hashlib.sha256(raw).hexdigest(),
    )
