"""The desk: one store, one engine, and everything that pages ask of them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from corroborator.audit import AuditLog
from corroborator.detectors import CLAIM, DISCLOSURE
from corroborator.engine import Engine
from corroborator.exemplars import Exemplar
from corroborator.review.accounts import Account, everyone
from corroborator.review.again import Preview, Shadow, preview, shadow
from corroborator.review.answers import Answers
from corroborator.review.clock import Clock, now
from corroborator.review.disputes import Disputes
from corroborator.review.facts import Reader
from corroborator.review.index import Index
from corroborator.review.jobs import Job, Jobs
from corroborator.review.proposals import Draft, Proposal, Proposals
from corroborator.review.queue import Item, Queue
from corroborator.review.settings import Settings, load_settings
from corroborator.review.story import Story, Teller, spoken_in
from corroborator.review.tables import prepare
from corroborator.taxonomy import Taxonomy


@dataclass(frozen=True)
class Desk:
    """Everything that pages ask for.

    Attributes:
        log: the audit log, with the master key where text is to be read.
        engine: of the policy as it is now.
        settings, clock: see their modules.
        index, queue, answers: what is kept in the store.
    """

    log: AuditLog
    engine: Engine
    settings: Settings
    clock: Clock
    index: Index
    queue: Queue
    answers: Answers
    disputes: Disputes
    proposals: Proposals
    previews: Jobs[Preview]
    shadows: Jobs[Shadow]

    @classmethod
    def open(cls, log: AuditLog, engine: Engine, clock: Clock = now) -> Self:
        """Set up a desk over a log, which stays the caller's to close.

        Raises:
            StoreError: the store cannot hold the desk's tables.
        """
        prepare(log.store)
        settings = load_settings()
        limits = {gate: engine.detector.threshold(gate) for gate in (CLAIM, DISCLOSURE)}
        reader = Reader(engine.taxonomy, settings, limits, random.SystemRandom())
        return cls(
            log,
            engine,
            settings,
            clock,
            Index(log, reader),
            Queue(log, settings, clock),
            Answers(log, clock),
            Disputes(log),
            Proposals(log, clock, engine.taxonomy, engine.policy.exemplars),
            Jobs(),
            Jobs(),
        )

    @property
    def taxonomy(self) -> Taxonomy:
        """Titles and definitions."""
        return self.engine.taxonomy

    @property
    def teller(self) -> Teller:
        """What tells stories, with the exemplars as they are now."""
        return Teller(self.taxonomy, self._exemplars())

    def story(self, item: Item, account: Account, *, blind: bool) -> Story | None:
        """Read a turn for somebody, and note in the log that they opened it."""
        turns = list(self.log.records(item.chain))
        story = self.teller.tell(turns, item.seq, blind=blind)
        if story is not None:
            body = {"by": "review", "reader": account.name, "turn": item.seq, "blind": blind}
            self.log.append(item.chain, "accessed", body)
        return story

    def propose(self, item: Item, account: Account, draft: Draft) -> int:
        """Keep a proposal; see `corroborator.review.proposals.Proposals.propose`."""
        spoken = [text for turn in self.log.records(item.chain) for text in spoken_in(turn)]
        bank = [exemplar.text for exemplar in self._exemplars().values()]
        return self.proposals.propose(item, account, draft, spoken, bank)

    def preview(self, proposal: Proposal) -> Job[Preview]:
        """Start, or find, the preview of a proposal."""
        return self.previews.start(
            str(proposal.id),
            lambda tell: preview(
                self.log, self.engine, proposal.exemplar, self.settings.preview_turns, tell
            ),
        )

    def shadow(self) -> Job[Shadow]:
        """Start, or find, what steering would have done in the latest turns."""
        return self.shadows.start(
            "shadow",
            lambda tell: shadow(self.log, self.engine, self.settings.preview_turns, tell),
        )

    def names(self) -> Mapping[int, str]:
        """Return what everybody is called."""
        return {number: account.name for number, account in everyone(self.log).items()}

    def close(self) -> None:
        """Wait for the work in progress; the log stays open."""
        self.previews.close()
        self.shadows.close()

    def _exemplars(self) -> Mapping[str, Exemplar]:
        detector = self.engine.detector
        banks = [detector.bank, *filter(None, [detector.own])]
        return {exemplar.id: exemplar for bank in banks for exemplar in bank.exemplars}
