"""What `corroborator.record` wrote of a turn, read back with types.

Keys that nobody here asks for are not looked at, so that records of later releases can be read.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from corroborator.audit import StoredTurn
from corroborator.exemplars import Vectors
from corroborator.ledger import Ledger

Place = tuple[int, int, int]
"""Position of a message, and start and end in it in characters."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class StoredNeighbour(_Part):
    """An exemplar that was near, and its cosine similarity."""

    id: str
    similarity: float


class StoredFinding(_Part):
    """A finding, without its text; see `corroborator.findings.Finding`."""

    id: str
    protected: bool
    message: int
    start: int
    end: int
    probability: float
    threshold: float
    margin: float
    certainty: float
    nearest: tuple[StoredNeighbour, ...]
    contrasts: tuple[StoredNeighbour, ...]


class StoredDecision(_Part):
    """A decision; see `corroborator.decision.Decision`."""

    verdict: str
    action: str
    protected: tuple[str, ...]
    domains: tuple[str, ...]
    risk_hold: bool
    hold: bool


class StoredMark(_Part):
    """A sentence at fault."""

    start: int
    end: int
    code: str
    probability: float


class StoredAssessment(_Part):
    """What was judged of a reply; probabilities are None where it was not judged."""

    collusion: float | None = None
    over_correction: float | None = None
    colludes: bool = False
    over_corrects: bool = False
    marked: tuple[StoredMark, ...] = ()


class StoredDraft(StoredAssessment):
    """A draft: ``release``, ``revise`` or ``replace``, and why."""

    kind: str


class StoredReply(StoredAssessment):
    """What the user saw: checked before release, after it, or a text of ours."""

    checked: str
    characters: int


class Detail(_Part):
    """What was judged of a turn, without text; see `corroborator.record.detail_of`."""

    turn: int
    repeated: bool = False
    retrospective: bool = False
    languages: Mapping[str, int] = {}
    statements: int
    not_covered: int
    unread: int
    scores: Mapping[str, float] = {}
    findings: tuple[StoredFinding, ...]
    decision: StoredDecision
    drafts: tuple[StoredDraft, ...]
    reply: StoredReply | None
    ledger_before: Mapping[str, object]
    ledger_after: Mapping[str, object]

    @property
    def concerned(self) -> bool:
        """Whether the turn gives a fault something to be about; see `corroborator.drafts`."""
        threads = Ledger.from_state(self.ledger_after).open_threads()
        return bool(self.findings or threads or self.decision.risk_hold)


class StoredMessage(_Part):
    """The text of a message of the user."""

    position: int
    text: str


class StoredVectors(_Part):
    """Vectors of statements and passages, in that order."""

    shape: tuple[int, int]
    dtype: Literal["<f4"]
    data: str

    def array(self) -> Vectors:
        """Return them, shape (units, dimensions).

        Raises:
            ValueError: they are not what their shape says.
        """
        try:
            raw = base64.b64decode(self.data, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        values = np.frombuffer(raw, dtype=self.dtype).reshape(self.shape)
        return np.ascontiguousarray(values, dtype=np.float32)


class StoredEvidence(_Part):
    """What the app passed; see `corroborator.evidence.Evidence`."""

    domain: str
    source: str
    text: str
    bearing: Literal["supports", "contradicts"]


class StoredDraftText(_Part):
    """A draft, and what was sent back to the model or shown in its place."""

    text: str
    guidance: str = ""
    replacement: str = ""


class SealedText(_Part):
    """What is under seal; see `corroborator.record.sealed_of`."""

    messages: tuple[StoredMessage, ...]
    statements: tuple[Place, ...]
    passages: tuple[Place, ...]
    vectors: StoredVectors
    evidence: tuple[StoredEvidence, ...]
    steering: str
    drafts: tuple[StoredDraftText, ...]
    reply: str | None


def read_detail(turn: StoredTurn) -> Detail | None:
    """Return what was judged; None where it is not there or of an unknown form."""
    try:
        return None if turn.detail is None else Detail.model_validate(turn.detail)
    except ValidationError:
        return None


def read_text(turn: StoredTurn) -> SealedText | None:
    """Return what was sealed; None where it is not there or of an unknown form."""
    try:
        return None if turn.text is None else SealedText.model_validate(turn.text)
    except ValidationError:
        return None


def read_versions(turn: StoredTurn) -> Mapping[str, str]:
    """Return the versions by which a turn was judged."""
    versions = (turn.closed or turn.opened).body.get("versions")
    if not isinstance(versions, Mapping):
        return {}
    return {name: str(version) for name, version in versions.items()}
