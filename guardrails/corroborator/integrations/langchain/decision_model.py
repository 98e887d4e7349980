"""The detectors as a decision model (langchain-core 1.8 and newer): a question, a probability."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.decisions import BaseDecisionModel, Choice, ClassifierResponse, Noul
from langchain_core.decisions.types import ChoiceAnswer, NoulAnswer
from langchain_core.messages import BaseMessage, HumanMessage
from pydantic import ConfigDict, Field

from corroborator.engine import TurnInput
from corroborator.errors import InputError
from corroborator.guard import Guard
from corroborator.integrations.langchain.messages import conversation_of
from corroborator.turn import guarded

CLAIM, NEITHER = "claim", "neither"


class SelfReportModel(BaseDecisionModel):
    """Answers whether what a user wrote rests on self-report, and of which kind.

    It judges the user's messages in the state, or a text as one of them; it leaves no record. What
    the question says is not read, its name is: a ``Noul`` named after a domain or a disclosure gets
    the probability of that one, any other that of any claim. The labels of a ``Choice`` are domains
    and disclosures, and ``neither``; their probabilities are scaled to sum to 1.

    As the classifier of LangChain's ``AutoModeMiddleware`` it keeps tools from being called in a
    turn that rests on a claim; `ToolGate` is the finer way.

    Attributes:
        model: what tracers call it.
        guard: whose detectors answer.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str = "corroborator"
    guard: Guard = Field(default_factory=Guard, exclude=True, repr=False)

    @property
    def _provider(self) -> str:
        return "corroborator"

    def _classify(self, state: Any, questions: Mapping[str, Any]) -> ClassifierResponse:
        """Answer.

        Raises:
            InputError: a question is neither a ``Noul`` nor a ``Choice``, or has an unknown label.
            TurnError: the state could not be judged; nothing of it is in the error.
        """
        messages = tuple(conversation_of(_messages(state)))
        given = TurnInput(messages)
        detection = guarded("state", lambda: self.guard.engine.open(given)).detection
        scores = {CLAIM: detection.claim, **detection.scores}
        answers = {name: _answer(name, asked, scores) for name, asked in questions.items()}
        return ClassifierResponse(model=self.model, answers=answers)


def _answer(name: str, asked: Any, scores: Mapping[str, float]) -> NoulAnswer | ChoiceAnswer:
    if isinstance(asked, Noul):
        return NoulAnswer(type="noul", noul=scores.get(name, scores[CLAIM]))
    if not isinstance(asked, Choice):
        raise InputError(f"the question {name} is neither a Noul nor a Choice")
    known = {**scores, NEITHER: 1 - scores[CLAIM]}
    unknown = [label for label in asked.criteria if label not in known]
    if unknown:
        raise InputError(f"the question {name} has labels that are no domains: {unknown}")
    found = {label: known[label] for label in asked.criteria}
    total = sum(found.values()) or 1.0
    shares = {label: p / total for label, p in found.items()}
    best = max(shares, key=shares.__getitem__)
    return ChoiceAnswer(type="choice", choice=best, probabilities=shares, confidence=shares[best])


def _messages(state: Any) -> list[BaseMessage]:
    """Return the messages in a state at any depth; a state without one is a text of the user."""
    found = list(_found(state))
    return found or [HumanMessage(state if isinstance(state, str) else repr(state))]


def _found(state: Any) -> Iterator[BaseMessage]:
    if isinstance(state, BaseMessage):
        yield state
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from _found(part)
    elif isinstance(state, Sequence) and not isinstance(state, str | bytes):
        for part in state:
            yield from _found(part)
