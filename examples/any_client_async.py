"""Guard any asynchronous chat client; judging runs off the event loop."""

import asyncio

from corroborator import Guard
from corroborator.demonstration import DemonstrationModel, load_demonstration


async def ask(messages: list[dict[str, str]], system: str) -> str:
    """Stand for your own client's call."""
    return DemonstrationModel().reply(messages, system)


async def answer(guard: Guard, messages: list[dict[str, str]]) -> str:
    """Answer the last message under guard."""
    turn = await guard.aopen_turn(messages, conversation="c-17")
    draft = await ask(messages, turn.steering)
    while (verdict := await turn.acheck(draft)).kind == "revise":
        draft = await ask(messages, f"{turn.steering}\n\n{verdict.guidance}")
    reply = verdict.text if verdict.kind == "replace" else draft
    await turn.aclose(reply)
    return reply


if __name__ == "__main__":
    question = load_demonstration().conversations[0].turns[0].user
    with Guard() as guard:
        print(asyncio.run(answer(guard, [{"role": "user", "content": question}])))
