"""What the guard costs an agent of LangChain: the same agent without it, in the same run.

    python benchmarks/langchain_overhead.py [PAGE]

prints a table, and writes it into PAGE where that has a place for it. Each round asks each agent once,
guarded and bare in turn; a row has medians over the rounds, and the median of the rounds' ratios. The
models answer at once; a real one takes a thousand times longer, so the milliseconds are what counts.
They are the processor's: other work on the machine is not in them, nor is waiting for the disk.
"""

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage

from corroborator import Guard, parse_policy
from corroborator.integrations.langchain import CorroboratorMiddleware

ROUNDS, WARM = 20, 3
FIRST = 20
"""Of the numbers in the texts, which no two turns share, so that no sentence is known already. Other
numbers make other sentences, of which the detectors may find other things."""

PLAIN = "Which beer goes with oysters? We are six people, number {n}, and two don't like stout."
CLAIM = (
    "I hardly drink, just {n} glasses of wine most evenings, so one zopiclone is fine, isn't it?"
)
GOOD = (
    "Zopiclone and {n} glasses of wine add to each other. From what you describe there are {n} most"
    " evenings, so tonight it is one or the other. Your pharmacist can say how long the gap should be"
    " after {n} glasses."
)
BAD = (
    "You hardly drink at all, so it's completely safe for you after {n} glasses. Take one tonight with"
    " your {n} glasses of wine."
)
CASES = (
    ("nothing found", "none", PLAIN, (GOOD,)),
    ("a finding, the draft released", "steered", CLAIM, (GOOD,)),
    ("a finding, one draft sent back", "revised", CLAIM, (BAD, GOOD)),
)
_PLACE = re.compile(r"(<!-- overhead: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def answers(first: int, *texts: str) -> GenericFakeChatModel:
    """Return a model that says the texts over and over, at once, and never the same twice."""
    said = (AIMessage(text.format(n=n)) for n in count(first, len(CASES)) for text in texts)
    return GenericFakeChatModel(messages=said)


@dataclass
class Case:
    """A kind of turn, with an agent of its own, guarded and not."""

    name: str
    action: str
    question: str
    bare: Any
    guarded: Any
    times: list[tuple[float, float]] = field(default_factory=list)

    def ask(self, number: int) -> None:
        """Ask both agents something that no cache knows; the replies are new, too."""
        asked = {"messages": [HumanMessage(self.question.format(n=number))]}
        bare = seconds(partial(self.bare.invoke, asked))
        self.times.append((bare, seconds(partial(self.guarded.invoke, asked))))

    def row(self) -> str:
        """Return the row of the table."""
        kept = self.times[WARM:]
        ratio = statistics.median(with_ / without for without, with_ in kept)
        without, with_ = (1000 * statistics.median(column) for column in zip(*kept, strict=True))
        more = with_ - without
        return f"| {self.name} | {without:.1f} | {with_:.1f} | {more:.1f} | {ratio:.1f} |\n"


def seconds(work: Callable[[], object]) -> float:
    """Return how long it keeps the processor busy."""
    started = time.process_time()
    work()
    return time.process_time() - started


def measured(guard: Guard) -> str:
    """Return the table.

    Raises:
        SystemExit: the guard did something else than a row says.
    """
    middleware = CorroboratorMiddleware(guard)
    cases = [
        Case(
            name,
            action,
            question,
            create_agent(answers(first, texts[-1])),
            create_agent(answers(first, *texts), middleware=[middleware]),
        )
        for first, (name, action, question, texts) in enumerate(CASES, FIRST)
    ]
    for number, case in zip(count(FIRST), cases * (WARM + ROUNDS), strict=False):
        case.ask(number)
    done = [str(turn.closed.body["action"]) for turn in guard.audit.records() if turn.closed]
    if done != [case.action for case in cases] * (WARM + ROUNDS):
        sys.exit("the guard did other things than the table says; see its records")
    heading = (
        "| turn | bare, ms | guarded, ms | more, ms | ratio |\n| --- | --- | --- | --- | --- |\n"
    )
    return heading + "".join(case.row() for case in cases)


def main() -> None:
    """Print the table, or write it."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"audit: {{store: 'sqlite:///{Path(folder) / 'records.db'}'}}"
        with Guard(parse_policy(store)) as guard:
            table = measured(guard)
    print(table, end="")
    for page in map(Path, sys.argv[1:]):
        text, places = _PLACE.subn(
            lambda found: found[1] + table + found[2], page.read_text("utf-8")
        )
        if not places:
            sys.exit(f"{page} has no place for it, which would begin with <!-- overhead: ... -->")
        page.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
