"""What the guard costs an agent of LangChain: the same agent without it, in the same run.

    python benchmarks/langchain_overhead.py

Each row is the median over the rounds of the ratio to the bare agent, whose model answers at once;
a real model takes a thousand times longer, so the milliseconds are what counts.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from corroborator import Guard, parse_policy
from corroborator.integrations.langchain import CorroboratorMiddleware

ROUNDS, WARM = 60, 10
PLAIN = "Which beer goes with oysters? We are six people, number {n}, and two don't like stout."
CLAIM = (
    "I hardly drink, just {n} glasses of wine most evenings, so one zopiclone is fine, isn't it?"
)
GOOD = (
    "Zopiclone and alcohol add to each other. From what you describe there is wine most evenings,"
    " so tonight it is one or the other. Your pharmacist can say how long the gap should be."
)
BAD = "You hardly drink at all, so it's completely safe for you. Take one tonight with your wine."


def answers(*texts: str) -> GenericFakeChatModel:
    """Return a model that says the texts over and over, at once."""

    def rotating() -> Any:
        while True:
            yield from map(AIMessage, texts)

    return GenericFakeChatModel(messages=rotating())


def agents(guard: Guard, *texts: str) -> tuple[Any, Any]:
    """Return the bare agent and the guarded one."""
    bare: Any = create_agent(answers(texts[-1]))
    guarded: Any = create_agent(answers(*texts), middleware=[CorroboratorMiddleware(guard)])
    return bare, guarded


def seconds(work: Callable[[], object]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(name: str, action: str, guard: Guard, question: str, *texts: str) -> None:
    """Measure one case; each round asks something that no cache knows."""
    before = sum(1 for _ in guard.audit.records())
    bare, guarded = agents(guard, *texts)
    times: list[tuple[float, float]] = []
    for number in range(WARM + ROUNDS):
        asked = {"messages": [HumanMessage(question.format(n=number))]}
        times.append(
            (seconds(partial(bare.invoke, asked)), seconds(partial(guarded.invoke, asked)))
        )
    turns = list(guard.audit.records())[before:]
    done = {str(turn.closed.body["action"]) for turn in turns if turn.closed}
    if done != {action}:
        raise SystemExit(
            f"{name}: the guard's actions were {done}, so this measures something else"
        )
    kept = times[WARM:]
    ratio = statistics.median(with_ / without for without, with_ in kept)
    without, with_ = (1000 * statistics.median(column) for column in zip(*kept, strict=True))
    print(f"| {name} | {without:.1f} | {with_:.1f} | {with_ - without:.1f} | {ratio:.1f} |")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"audit: {{store: 'sqlite:///{Path(folder) / 'records.db'}'}}"
        with Guard(parse_policy(store)) as guard:
            print("| turn | bare, ms | guarded, ms | more, ms | ratio |")
            print("| --- | --- | --- | --- | --- |")
            row("nothing found", "none", guard, PLAIN, GOOD)
            row("a finding, the draft released", "steered", guard, CLAIM, GOOD)
            row("a finding, one draft sent back", "revised", guard, CLAIM, BAD, GOOD)


if __name__ == "__main__":
    main()
