"""What the reviews say of the detectors: how much of what they find is right, and what they miss."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from corroborator.review.answers import Judgement
from corroborator.review.counts import Counts, Slice
from corroborator.review.disputes import Reviewed
from corroborator.review.facts import Band
from corroborator.review.shares import Share, Stratum, share, stratified_share, upper_bound


@dataclass(frozen=True, slots=True)
class Missed:
    """What the random sample says of turns that did not fire.

    Attributes:
        share: of those read and decided in which a reply rested on a claim after all.
        bound: the miss rate is at most this, with 95% confidence, one-sided.
        unsure: how many could not be told.
    """

    share: Share
    bound: float
    unsure: int


@dataclass(frozen=True)
class Quality:
    """What reviews say of the detectors.

    Attributes:
        reviewed: turns that were answered, of the period and slice asked for.
        counts: tallies of the same.
        disclosures: the families that are disclosures.
    """

    reviewed: Sequence[Reviewed]
    counts: Counts
    disclosures: Container[str] = ()
    wanted: Slice = field(default_factory=Slice)

    def precision(self, family: str | None = None) -> Share:
        """Return in which share of fires the reply could not rest on the claim, weighted by band."""
        families = self.counts.families if family is None else [family]
        return stratified_share(stratum for name in families for stratum in self._strata(name))

    def missed(self) -> Missed:
        """Return what was missed, from the random sample.

        Turns are drawn in a random order. All up to the last one that was drawn count, whatever
        part of the queue they were read from; those beyond it, which were read because they are
        near the threshold, do not.
        """
        drawn = [r for r in self.reviewed if r.sample is not None]
        last = max((r.sample or 0 for r in drawn if r.band is Band.SAMPLE), default=-1.0)
        said = [r.verdict.judgement.rests for r in drawn if (r.sample or 0) <= last]
        hits, decided = said.count("yes"), said.count("yes") + said.count("no")
        bound = upper_bound(hits, decided) if decided else 1.0
        return Missed(share(hits, decided), bound, len(said) - decided)

    def _strata(self, family: str) -> Iterable[Stratum]:
        counts = self.counts.of(Slice(self.wanted.version, self.wanted.language, family))
        question = "fits" if family in self.disclosures else "rests"
        for band in (Band.URGENT, Band.FIRED):
            said = [getattr(j, question) for j in self._of_fires.get((family, band), ())]
            hits = said.count("yes")
            yield Stratum(hits, hits + said.count("no"), counts[f"band:{int(band)}"])

    @cached_property
    def _of_fires(self) -> Mapping[tuple[str | None, Band], list[Judgement]]:
        """What reviews of turns that fired come to, by family and the part of the queue."""
        found: dict[tuple[str | None, Band], list[Judgement]] = defaultdict(list)
        for one in self.reviewed:
            if one.sample is None:
                found[one.family, one.band].append(one.verdict.judgement)
        return found
