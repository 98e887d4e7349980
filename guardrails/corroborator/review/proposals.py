"""From a wrong decision to a better detector: exemplars that reviewers write and a lead accepts.

A proposal is the reviewer's own sentence: one that shares a run of words with what was said in the
conversation, or that holds an address or a long number, is refused. Which conversation it came from
stays known, so that erasing the conversation lists it.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import Connection, Row, Select, select

from corroborator.audit import AuditLog
from corroborator.audit.chain import iso_time
from corroborator.errors import InputError
from corroborator.exemplars import Carrier, Exemplar, Kind, read_exemplars
from corroborator.review.accounts import Account
from corroborator.review.clock import Clock
from corroborator.review.queue import Item
from corroborator.review.tables import decisions, proposals, write
from corroborator.statements import normalise
from corroborator.taxonomy import Taxonomy

RUN = 5
"""A proposal may share fewer words in a row than this with the conversation."""

SHORTEST, LONGEST = 3, 300

_WORD = re.compile(r"\w+")
_IDENTIFYING = re.compile(r"@|https?://|www\.|\d[\d\s().-]{4,}\d")

CARRIERS: tuple[str, ...] = get_args(Carrier)
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reviewer proposes.

    Attributes:
        family: the domain or disclosure.
        positive: an exemplar; else a contrast, which must not count.
        tag: the carrier of an exemplar, the kind of a contrast.
        text: written by the reviewer.
    """

    family: str
    positive: bool
    tag: str
    text: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal that was made.

    Attributes:
        id: its number.
        turn, chain: what it came from.
        account, time: who made it, and when.
        draft: what is proposed.
        accepted: None while no lead has decided.
        changed, decided: how many past decisions would change, of how many, when it was decided.
    """

    id: int
    turn: int
    chain: str
    account: int
    time: str
    draft: Draft
    accepted: bool | None
    changed: int
    decided: int

    @property
    def exemplar(self) -> Exemplar:
        """Return it as an exemplar of the bank."""
        draft = self.draft
        name = f"{draft.family}-r{self.id:04d}"
        return Exemplar(name, draft.family, draft.text, draft.positive, draft.tag)


@dataclass(frozen=True)
class Proposals:
    """The proposals of one store.

    Attributes:
        log, clock: see `corroborator.review.desk.Desk`.
        taxonomy: its families.
        folder: where accepted ones go; None where the policy names no ``exemplars`` folder.
    """

    log: AuditLog
    clock: Clock
    taxonomy: Taxonomy
    folder: Path | None

    def propose(
        self, item: Item, account: Account, draft: Draft, spoken: Sequence[str], bank: Iterable[str]
    ) -> int:
        """Keep a proposal; returns its number.

        Args:
            item: the turn that led to it.
            account: who wrote it.
            draft: what they wrote.
            spoken: what was said in the conversation.
            bank: the texts that are exemplars already.

        Raises:
            InputError: it cannot become an exemplar; the error holds nothing of it.
        """
        self._require_sound(draft, spoken, bank)
        row = {
            "turn": item.turn,
            "chain": item.chain,
            "account": account.id,
            "time": iso_time(self.clock()),
            "family": draft.family,
            "positive": draft.positive,
            "tag": draft.tag,
            "text": draft.text,
        }
        added = proposals.insert().values(row).returning(proposals.c.id)
        number: int = write(self.log.store, lambda c: c.execute(added).scalar_one())
        body = {"proposal": number, "by": account.name, "turn": item.seq}
        self.log.append(item.chain, "proposed", body)
        return number

    def find(self, number: int) -> Proposal | None:
        """Return a proposal."""
        found = self._read(_query().where(proposals.c.id == number))
        return found[0] if found else None

    def all(self) -> list[Proposal]:
        """Return all proposals, the latest first."""
        return self._read(_query().order_by(proposals.c.id.desc()))

    def waiting(self) -> list[Proposal]:
        """Return those that no lead has decided, the oldest first."""
        return [one for one in reversed(self.all()) if one.accepted is None]

    def of_chains(self, chains: Iterable[str]) -> list[Proposal]:
        """Return those that came from certain conversations."""
        return self._read(_query().where(proposals.c.chain.in_(list(chains))))

    def decide(
        self, proposal: Proposal, account: Account, *, accepted: bool, changed: int, decided: int
    ) -> None:
        """Accept or decline; what is accepted is written to the folder of exemplars first.

        Raises:
            InputError: it was decided before, or there is no folder.
        """
        if proposal.accepted is not None:
            raise InputError("this proposal was decided already")
        exemplar = proposal.exemplar
        if accepted:
            self._write(exemplar)

        def work(connection: Connection) -> None:
            known = select(decisions.c.id).where(decisions.c.proposal == proposal.id)
            if connection.scalar(known) is not None:
                raise InputError("this proposal was decided already")
            row = {
                "proposal": proposal.id,
                "account": account.id,
                "time": iso_time(self.clock()),
                "accepted": accepted,
                "exemplar": exemplar.id if accepted else "",
                "changed": changed,
                "decided": decided,
            }
            connection.execute(decisions.insert().values(row))

        write(self.log.store, work)
        body = {"proposal": proposal.id, "by": account.name, "accepted": accepted}
        self.log.append(proposal.chain, "decided", body)

    def _require_sound(self, draft: Draft, spoken: Sequence[str], bank: Iterable[str]) -> None:
        if draft.family not in {*self.taxonomy.domains, *self.taxonomy.protected}:
            raise InputError("choose what the sentence is about")
        if draft.tag not in (CARRIERS if draft.positive else KINDS):
            raise InputError("choose how the sentence says it")
        if not SHORTEST <= len(draft.text) <= LONGEST or not _WORD.search(draft.text):
            raise InputError(f"write a sentence of {SHORTEST} to {LONGEST} characters")
        if _IDENTIFYING.search(draft.text):
            raise InputError("leave out addresses, accounts and long numbers")
        if copies(draft.text, spoken):
            raise InputError(
                "this repeats what was said in the conversation; write a sentence of your own that"
                " makes the same claim"
            )
        key = normalise(draft.text).casefold()
        if any(normalise(text).casefold() == key for text in bank):
            raise InputError("this sentence is an exemplar already")

    def _write(self, exemplar: Exemplar) -> None:
        """Add a line to the file of its family, unless it is there already."""
        if self.folder is None:
            raise InputError(
                "name a folder for accepted sentences in the policy first (exemplars: my-exemplars)"
            )
        protected = exemplar.family in self.taxonomy.protected
        folder = self.folder / "protected" if protected else self.folder
        folder.mkdir(parents=True, exist_ok=True)
        if exemplar.id in {known.id for known in read_exemplars(self.folder, self.taxonomy)}:
            return
        label = ("disclosure" if protected else "claim") if exemplar.positive else "contrast"
        tag = "carrier" if exemplar.positive else "kind"
        line = {
            "id": exemplar.id,
            "text": exemplar.text,
            "label": label,
            tag: exemplar.tag,
            "origin": "review",
        }
        with (folder / f"{exemplar.family}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, wanted: Select[Any]) -> list[Proposal]:
        rows = self.log.store.read(lambda connection: connection.execute(wanted).all())
        return [_proposal(row) for row in rows]


def copies(text: str, spoken: Iterable[str]) -> bool:
    """Whether a text shares a run of `RUN` words with what was said, or all of its words."""
    words = _words(text)
    length = min(RUN, len(words))
    runs = {tuple(words[n : n + length]) for n in range(len(words) - length + 1)}
    for said in spoken:
        heard = _words(said)
        if any(tuple(heard[n : n + length]) in runs for n in range(len(heard) - length + 1)):
            return True
    return False


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _query() -> Select[Any]:
    return select(
        proposals, decisions.c.accepted, decisions.c.changed, decisions.c.decided
    ).outerjoin(decisions, decisions.c.proposal == proposals.c.id)


def _proposal(row: Row[Any]) -> Proposal:
    draft = Draft(row.family, row.positive, row.tag, row.text)
    return Proposal(
        row.id,
        row.turn,
        row.chain,
        row.account,
        row.time,
        draft,
        row.accepted,
        row.changed or 0,
        row.decided or 0,
    )
