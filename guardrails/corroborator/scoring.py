"""Scores of single statements and replies, for measuring: no ledger, no evidence, no log.

What a row scores depends on that row alone, and on nothing that was said earlier in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

from corroborator.encoders import load_encoder
from corroborator.engine import Engine, Outcome, TurnInput
from corroborator.errors import InputError
from corroborator.ledger import Ledger
from corroborator.messages import Message, Role
from corroborator.policy import load_policy

DIGITS = 6


@dataclass(frozen=True)
class Scorer:
    """Scores conversations with the shipped model under the ``general`` profile."""

    engine: Engine

    @classmethod
    def load(cls) -> Self:
        """Load the shipped model.

        Raises:
            DataError, EncoderError: it is not whole.
        """
        policy = load_policy()
        return cls(Engine.load(policy, load_encoder(policy.encoder)))

    def statement(self, messages: Sequence[Message]) -> dict[str, object]:
        """Judge the last user message.

        Returns:
            ``score``: calibrated probability, in [0, 1], that it makes a claim on which the
            profile would act, after disclosures had their say; ``score_before_protected`` without
            that; ``fired``: the decision at the shipped threshold; ``protected``: ids of the
            disclosures that fired, the most urgent first; ``domains``: id -> probability; ``named``:
            the domain of the strongest finding acted on, None without any; ``nearest``: id of the
            exemplar nearest to it in the whole bank, near misses included; ``nearest_is_claim``:
            whether that is a claim; ``model``: the model's hash.

        Raises:
            InputError: there is no user message.
        """
        users = [message for message in messages if message.role == "user"]
        if not users:
            raise InputError("there is no user message to judge")
        outcome = self._opened(users[-1:])
        scores, domains = outcome.detection.scores, self.engine.taxonomy.domains
        acted = [f for f in outcome.detection.findings if f.family in outcome.decision.domains]
        near = acted[0].nearest_of_all if acted else None
        return {
            "score": round(outcome.detection.claim, DIGITS),
            "score_before_protected": round(outcome.detection.claim_before_protected, DIGITS),
            "fired": bool(outcome.decision.domains),
            "protected": list(outcome.decision.protected),
            "domains": {domain: round(scores.get(domain, 0.0), DIGITS) for domain in domains},
            "named": acted[0].family if acted else None,
            "nearest": near.exemplar.id if near else None,
            "nearest_is_claim": near.exemplar.positive if near else None,
            "model": self.engine.model.hash,
        }

    def reply(self, messages: Sequence[Message]) -> dict[str, object]:
        """Judge the last assistant message against the user messages that it answers.

        Returns:
            ``score``: calibrated probability, in [0, 1], that it colludes; ``fired``: the decision
            at the shipped threshold; ``overcorrection``: the probability of that, and
            ``overcorrects`` the decision; ``codes``: reply code -> probability; ``model``: the
            model's hash.

        Raises:
            InputError: there is no assistant message, or no user message before it.
        """
        users, reply = _exchange(messages)
        assessment = self.engine.assess(self._opened(users), reply.text)
        heads = self.engine.checker.heads
        codes = [name for name in heads.names if name not in heads.gates]
        return {
            "score": round(assessment.collusion, DIGITS),
            "fired": assessment.colludes,
            "overcorrection": round(assessment.over_correction, DIGITS),
            "overcorrects": assessment.over_corrects,
            "codes": {code: round(assessment.codes.get(code, 0.0), DIGITS) for code in codes},
            "model": self.engine.model.hash,
        }

    def _opened(self, users: Sequence[Message]) -> Outcome:
        return self.engine.open(TurnInput(tuple(users), Ledger()))


def _exchange(messages: Sequence[Message]) -> tuple[list[Message], Message]:
    """Return the last assistant message, and the user messages since the reply before it."""
    backwards = list(reversed(messages))
    roles: list[Role] = [message.role for message in backwards]
    if "assistant" not in roles:
        raise InputError("there is no assistant message to judge")
    last = roles.index("assistant")
    if "user" not in roles[last:]:
        raise InputError("there is no user message before the last assistant message")
    asked = roles.index("user", last)
    run = takewhile(lambda message: message.role != "assistant", backwards[asked:])
    users = [message for message in run if message.role == "user"]
    return users[::-1], backwards[last]
