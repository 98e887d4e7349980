# ruff: noqa: INP001, T201 - a script, which prints
"""What our rails cost in NeMo Guardrails: the same app without rails, with NVIDIA's, with ours.

    .venv-nemo/bin/python benchmarks/nemo.py [turns]

The model answers at once, so all of the time is NeMo's and ours. Every message is new to the encoder.
The arms take turns, so that whatever else the machine does falls on all of them.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] = "1"
os.environ["COLANGPATH"] = str(Path(__file__).parents[1] / "guardrails")

from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.types import LLMResponse

from corroborator import Guard, parse_policy

TURNS = 40
UNRECORDED = "{audit: {store: null}}"
ARMS = {
    "no rail": "",
    "NVIDIA's regex rail": """
rails:
  config: {regex_detection: {input: {patterns: [zzzz]}, output: {patterns: [zzzz]}}}
  input: {flows: [regex check input]}
  output: {flows: [regex check output]}
""",
    "ours": f"""
import_paths: [corroborator/integrations/nemo/rails]
rails:
  input: {{flows: [corroborator check input]}}
  output: {{flows: [corroborator check output]}}
custom_data: {{corroborator: {UNRECORDED}}}
""",
}
MODES = {"plain": "", "passthrough": "passthrough: true"}
MESSAGES = {
    "neutral": "Which beer goes with {n} oysters?",
    "a claim": "I hardly drink, so {n} tablets tonight are fine, aren't they?",
}
REPLY = "It depends on a few things. What does the leaflet say? A pharmacist can tell you more."


class Instant:
    """A model that answers at once."""

    model_name, provider_name, provider_url = "instant", "instant", None

    async def generate_async(self, prompt: Any, **_: Any) -> LLMResponse:  # noqa: ARG002
        """Return the reply."""
        return LLMResponse(content=REPLY)

    async def stream_async(self, prompt: Any, **_: Any) -> Any:
        """Is not measured."""
        raise NotImplementedError


def timed(run: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def main(turns: int) -> None:
    """Print a table."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    apps = {
        (mode, arm): LLMRails(
            RailsConfig.from_content(yaml_content=f"models: []\n{setting}\n{rails}"), llm=Instant()
        )
        for (mode, setting), (arm, rails) in product(MODES.items(), ARMS.items())
    }
    guard = Guard(parse_policy(UNRECORDED))
    print("| message | mode | no rail | NVIDIA's regex rail | ours | the guard alone |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    count = 0
    for (kind, template), mode in product(MESSAGES.items(), MODES):
        taken: dict[str, list[float]] = {arm: [] for arm in (*ARMS, "guard")}
        for _ in range(turns + 3):
            for arm in ARMS:
                count += 1
                message = [{"role": "user", "content": template.format(n=count)}]
                app = apps[mode, arm]
                taken[arm].append(timed(lambda a=app, m=message: a.generate(messages=m)))  # type: ignore[misc]
            count += 1
            text = template.format(n=count)
            taken["guard"].append(timed(lambda t=text: alone(guard, t)))  # type: ignore[misc]
        cells = [statistics.median(times[3:]) for times in taken.values()]
        shown = [f"{cell:.1f} ms ({cell / cells[0]:.1f} x)" for cell in cells]
        print(f"| {kind} | {mode} | {' | '.join([f'{cells[0]:.1f} ms', *shown[1:]])} |")
    guard.close()
    loop.close()


def alone(guard: Guard, text: str) -> None:
    """Guard a turn without NeMo."""
    turn = guard.open_turn([{"role": "user", "content": text}])
    turn.check(REPLY)
    turn.close(REPLY)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TURNS)
