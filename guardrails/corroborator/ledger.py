"""The ledger: what a conversation has claimed so far, followed across its turns.

It is a pure function of findings, evidence and the earlier ledger. It holds ids, counters and
times, no quote and no vector, so a host may keep it beside the conversation. There is one thread
for each domain: without the text, claims of one domain cannot be told apart.

Sources: threads, recurrence and certainty follow the conversation-level signals that the research
on long chats found (arXiv 2606.00975, 2603.16567, 2602.19141); the numbers are starting points
without direct evidence.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from corroborator.errors import InputError
from corroborator.evidence import Evidence, bearing_on
from corroborator.findings import Finding
from corroborator.taxonomy import load_taxonomy

QUIET_TURNS = 3
"""A thread that has not recurred for so many turns no longer holds replies back."""

Status = Literal["uncorroborated", "corroborated", "contradicted"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _known(domain: str) -> str:
    if domain not in load_taxonomy().domains:
        raise ValueError("there is no such domain")
    return domain


class Thread(_Part):
    """One claim, followed across turns.

    Attributes:
        domain: its domain id.
        status: what evidence says of it.
        recurrences: in how many turns it was stated.
        certainty: how surely it was last stated, in [0, 1].
        rise: certainty of the last statement minus that of the first, in [-1, 1].
        first_turn, last_turn: turns in which it was stated, counted from 1.
        guided_turn: the last turn in which the model was given full guidance on it.
        adopted: how many released replies adopted it.
    """

    domain: Annotated[str, AfterValidator(_known)]
    status: Status = "uncorroborated"
    recurrences: int = Field(default=0, ge=0)
    certainty: float = Field(default=0, ge=0, le=1)
    rise: float = Field(default=0, ge=-1, le=1)
    first_turn: int = Field(default=0, ge=0)
    last_turn: int = Field(default=0, ge=0)
    guided_turn: int | None = None
    adopted: int = Field(default=0, ge=0)


class RiskHold(_Part):
    """Safety stays first until a turn, whatever is said in between."""

    opened_turn: int = Field(ge=1)
    until_turn: int = Field(ge=1)


class Ledger(_Part):
    """The state of a conversation; `to_state` and `from_state` are its versioned form.

    Attributes:
        turn: how many turns were read.
        seen: how many user messages were read.
        last_id: the host's id of the last user message read, if it gives ids.
        threads: one for each domain that was claimed or on which evidence bears.
        risk_hold: set after a disclosure of risk or its retraction.
        resources_turn: the last turn in which a helpline was offered in this risk episode.
        guided_protected: disclosure id -> the last turn with full guidance on it.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    turn: int = Field(default=0, ge=0)
    seen: int = Field(default=0, ge=0)
    last_id: str | None = None
    threads: tuple[Thread, ...] = ()
    risk_hold: RiskHold | None = None
    resources_turn: int | None = None
    guided_protected: Mapping[str, int] = {}

    def thread(self, domain: str) -> Thread | None:
        """Return the thread of a domain, if there is one."""
        return next((thread for thread in self.threads if thread.domain == domain), None)

    def status(self, domain: str) -> Status:
        """Return what evidence says of the claims of a domain."""
        thread = self.thread(domain)
        return "uncorroborated" if thread is None else thread.status

    def open_threads(self) -> tuple[Thread, ...]:
        """Return the uncorroborated threads stated within the last `QUIET_TURNS` turns."""
        return tuple(
            thread
            for thread in self.threads
            if thread.recurrences
            and thread.status != "corroborated"
            and self.turn - thread.last_turn < QUIET_TURNS
        )

    def holds_risk(self) -> bool:
        """Whether a risk hold is on in this turn."""
        return self.risk_hold is not None and self.turn <= self.risk_hold.until_turn

    def to_state(self) -> dict[str, object]:
        """Return the ledger as versioned, JSON-ready data."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> "Ledger":
        """Read what `to_state` returned.

        Raises:
            InputError: it is not a ledger, or of a version that this release does not know.
        """
        try:
            return cls.model_validate(dict(state))
        except (ValidationError, TypeError, ValueError):
            pass  # the error may hold what was given, and would travel as context
        raise InputError("this state is not a ledger of schema 1; pass what `close` returned")


def advance(
    before: Ledger,
    findings: Iterable[Finding],
    evidence: Iterable[Evidence],
    hold_turns: int,
    opens_hold: frozenset[str],
) -> Ledger:
    """Return the ledger after one more turn.

    Args:
        before: the ledger of the turn before.
        findings: what was found in the user's messages of this turn.
        evidence: what the app passed in this turn.
        hold_turns: how many turns a risk hold lasts.
        opens_hold: ids of the domains and disclosures that open or renew a risk hold.
    """
    turn = before.turn + 1
    found = tuple(findings)
    threads = {thread.domain: thread for thread in before.threads}
    strongest: dict[str, Finding] = {}
    for finding in found:
        if not finding.protected:
            best = strongest.get(finding.family)
            if best is None or finding.margin > best.margin:
                strongest[finding.family] = finding
    for domain, finding in strongest.items():
        threads[domain] = _stated(threads.get(domain) or Thread(domain=domain), finding, turn)
    items = tuple(evidence)
    for domain in dict.fromkeys(item.domain for item in items):
        threads[domain] = _weighed(threads.get(domain) or Thread(domain=domain), items)
    risk = before.risk_hold
    if any(finding.family in opens_hold for finding in found):
        opened = risk.opened_turn if risk and turn <= risk.until_turn else turn
        risk = RiskHold(opened_turn=opened, until_turn=turn + hold_turns)
    return before.model_copy(
        update={"turn": turn, "threads": tuple(threads.values()), "risk_hold": risk}
    )


def _stated(thread: Thread, finding: Finding, turn: int) -> Thread:
    first = thread.certainty - thread.rise if thread.recurrences else finding.certainty
    return thread.model_copy(
        update={
            "recurrences": thread.recurrences + 1,
            "certainty": finding.certainty,
            "rise": max(-1.0, min(1.0, finding.certainty - first)),
            "first_turn": thread.first_turn or turn,
            "last_turn": turn,
        }
    )


def _weighed(thread: Thread, evidence: tuple[Evidence, ...]) -> Thread:
    deciding = bearing_on(evidence, thread.domain)
    if deciding is None:
        return thread
    status = "corroborated" if deciding.bearing == "supports" else "contradicted"
    return thread.model_copy(update={"status": status})
