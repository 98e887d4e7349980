"""One call of a guarded model: its drafts, what they cost, and what is told the model next."""

from collections.abc import Collection, Sequence

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from corroborator.integrations.langchain.ending import EndsItsTurn
from corroborator.integrations.langchain.messages import draft_text, instructed, replaced, spent
from corroborator.integrations.langchain.turns import GuardedTurn, RefusedReplyError


class Call(EndsItsTurn):
    """Judges the drafts of a call.

    As a context it ends the turn where the model fails and nobody can ask it again.

    Args:
        turn: what the call belongs to.
        messages: what the model is asked.
        structured: whether the reply is structured output.
        actions: names of the tools that act; the arguments of others are structured output.
        single: whether the turn ends with this call even if tools are called.
    """

    def __init__(
        self,
        turn: GuardedTurn,
        messages: Sequence[BaseMessage],
        *,
        structured: bool,
        actions: Collection[str] = (),
        single: bool = False,
    ) -> None:
        self.turn, self.single = turn, single
        self.ends = single
        self.earlier: UsageMetadata | None = None
        self.usage: UsageMetadata | None = None
        self._messages = messages
        self._actions = actions if structured else None
        self._guidance: list[str] = []

    @property
    def hold(self) -> bool:
        """Whether nothing may be shown before it is judged; structured output is of use whole."""
        return self.turn.hold or self._actions is not None

    @property
    def messages(self) -> list[BaseMessage]:
        """What the model is asked for its next draft.

        A refused draft is not in it: the model would find its own words in the conversation, and
        servers refuse reasoning that is handed back altered.
        """
        return instructed(self._messages, self.turn.steering, *self._guidance)

    def judge(self, draft: AIMessage) -> AIMessage | None:
        """Return the draft if it may be shown, what stands in its place, or None to ask again.

        Raises:
            RefusedReplyError: structured output is at fault, and the model was asked often enough.
        """
        self.earlier, self.usage = self.usage, spent(self.usage, draft.usage_metadata)
        verdict = self.turn.judge(
            draft_text(draft, self._actions), final=self.single or not draft.tool_calls
        )
        if verdict.kind == "release":
            return draft
        if verdict.kind == "revise":
            self._guidance.append(verdict.guidance)
            return None
        if self._actions is not None:
            raise RefusedReplyError(verdict.text)
        return replaced(draft, verdict.text)
