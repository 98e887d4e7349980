"""Guard any chat client: ask it with the steering, check the draft, ask again, close the turn."""

from corroborator import Guard
from corroborator.demonstration import DemonstrationModel, load_demonstration

client = DemonstrationModel()  # in its place any client that takes messages and a system prompt
guard = Guard()  # or Guard.from_yaml("rails.yml")
question = load_demonstration().conversations[0].turns[0].user  # what your user wrote
messages = [{"role": "user", "content": question}]

turn = guard.open_turn(messages, conversation="c-17")
draft = client.reply(messages, turn.steering)
while (verdict := turn.check(draft)).kind == "revise":
    draft = client.reply(messages, f"{turn.steering}\n\n{verdict.guidance}")
reply = verdict.text if verdict.kind == "replace" else draft
closed = turn.close(reply)  # keep closed.state for the next turn, or let it be rebuilt

print("user: ", question)
print("found:", [finding.family for finding in turn.findings])
print("reply:", reply)
print("record:", closed.record)
guard.close()
