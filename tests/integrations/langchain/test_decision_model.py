import asyncio
from typing import Any

import pytest

pytest.importorskip("langchain_core.decisions")

from langchain.agents import create_agent, middleware
from langchain_core.decisions import Choice, Noul, Score
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from corroborator import Guard, InputError, TurnError
from corroborator.integrations.langchain.decision_model import SelfReportModel
from langchain_world import ScriptedModel, in_turn
from test_faults import failing
from tiny_world import CANARY, said

CLAIM, PLAIN = said("credential_claim"), "I went to the shop for some bread."
ASKED = Noul(instructions="Does it rest on self-report?")


@pytest.mark.parametrize(
    "state",
    [
        CLAIM,
        HumanMessage(CLAIM),
        [HumanMessage(CLAIM)],
        {"messages": [HumanMessage(CLAIM), AIMessage("")], "tool": {"name": "x"}},
    ],
)
def test_a_claim_is_likely_wherever_it_stands(guard: Guard, state: Any) -> None:
    model = SelfReportModel(guard=guard)
    questions = {"any": ASKED, "credential_claim": ASKED, "age_claim": ASKED}
    found = model.invoke({"state": state, "questions": questions}).nouls
    assert found["any"].noul > 0.9
    assert found["credential_claim"].noul > 0.9
    assert found["age_claim"].noul < 0.1


def test_a_state_that_cannot_be_judged_is_not_quoted(guard: Guard) -> None:
    model = SelfReportModel(guard=failing(guard, CANARY))
    with pytest.raises(TurnError) as raised:
        model.invoke({"state": f"{CLAIM} {CANARY}", "questions": {"any": ASKED}})
    assert raised.value.__context__ is None
    assert CANARY not in repr(raised.value)


def test_a_plain_message_and_the_assistants_words_are_none(guard: Guard) -> None:
    model = SelfReportModel(guard=guard)
    for state in (PLAIN, [HumanMessage(PLAIN), AIMessage(CLAIM)]):
        request: Any = {"state": state, "questions": {"any": ASKED}}
        assert asyncio.run(model.ainvoke(request)).nouls["any"].noul < 0.1


def test_a_choice_is_among_domains(guard: Guard) -> None:
    model = SelfReportModel(guard=guard)
    labels = {"credential_claim": None, "age_claim": None, "neither": None}
    kind = Choice(instructions="Which?", criteria=labels)
    for state, best in ((CLAIM, "credential_claim"), (PLAIN, "neither")):
        answer = model.invoke({"state": state, "questions": {"kind": kind}}).choices["kind"]
        assert answer.choice == best
        assert sum(answer.probabilities.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (Score(instructions="How much?", criteria=["low", "high"]), "neither a Noul"),
        (Choice(instructions="Which?", criteria={"honesty": None}), "honesty"),
    ],
)
def test_what_the_detectors_cannot_answer_is_refused(
    guard: Guard, question: Any, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        SelfReportModel(guard=guard).invoke({"state": CLAIM, "questions": {"q": question}})


@pytest.mark.skipif(not hasattr(middleware, "AutoModeMiddleware"), reason="LangChain before 1.5")
@pytest.mark.parametrize(("text", "runs"), [(CLAIM, False), (PLAIN, True)])
def test_it_keeps_tools_from_being_called_on_a_claim(guard: Guard, text: str, runs: bool) -> None:
    ran: list[str] = []

    @tool
    def dose_lookup(drug: str) -> str:
        """Look up a dose."""
        ran.append(drug)
        return "5 mg"

    call = AIMessage("", tool_calls=[{"name": "dose_lookup", "args": {"drug": "x"}, "id": "c1"}])
    gate = middleware.AutoModeMiddleware(
        tools=["dose_lookup"], classifier=SelfReportModel(guard=guard)
    )
    model = ScriptedModel(script=in_turn(call, "Well."))
    agent: Any = create_agent(model, [dose_lookup], middleware=[gate])
    agent.invoke({"messages": [HumanMessage(text)]})
    assert bool(ran) is runs
