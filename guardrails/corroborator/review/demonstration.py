"""Realistic data for the desk: made-up conversations, guarded by the real guard over some weeks."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from corroborator.audit import AuditLog
from corroborator.encoders import CachedEncoder, load_encoder
from corroborator.engine import Engine
from corroborator.errors import ConfigError, DataError
from corroborator.exchange import ChatMessages, exchange
from corroborator.guard import Guard
from corroborator.policy import Policy, profile_policy
from corroborator.resources import resource
from corroborator.review.accounts import Account, by_token, invite
from corroborator.review.answers import Answer, Judgement
from corroborator.review.desk import Desk
from corroborator.review.queue import Item
from corroborator.taxonomy import Record, Sentence
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/demo/review.yml"
_SEED = 8
WEEKS = 6
WATCHING_WEEKS = 2
"""At first the guard only watches; then it steers."""

_A_DAY = 12
_REVIEWERS = ("first-reader", "second-reader")
_READS = 150

_OTHERWISE = 0.12
"""How often a reviewer answers otherwise than a careful reader would."""


class DemoTurn(Record):
    """A turn; the file says what each part is."""

    user: Sentence
    plain: Sentence
    steered: Sentence | None = None
    rests: Literal["yes", "no", "unsure"]
    colludes: bool = False
    harms: bool = False
    discloses: bool = False


class DemoConversation(Record):
    """A conversation."""

    id: str
    turns: Annotated[tuple[DemoTurn, ...], Field(min_length=1)]


class _File(Record):
    version: int
    conversations: Annotated[tuple[DemoConversation, ...], Field(min_length=1)]


def load_conversations() -> tuple[DemoConversation, ...]:
    """Return the shipped conversations.

    Raises:
        DataError: their file is missing or does not hold; names the line and the key.
    """
    try:
        data, line_of = read_yaml(resource("rails_config", "demo", "review.yml"), _FILE)
        return _File.model_validate(data).conversations
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None


class _Clock:
    """The clock of the made-up weeks."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@dataclass(frozen=True)
class _Model:
    """Writes what the file says."""

    turn: DemoTurn

    def reply(self, messages: ChatMessages, instructions: str) -> str:  # noqa: ARG002 - a ChatModel
        return self.turn.steered if instructions and self.turn.steered else self.turn.plain


def seed(
    url: str, *, weeks: int = WEEKS, a_day: int = _A_DAY, reads: int = _READS
) -> dict[str, str]:
    """Fill a new store with guarded conversations and two reviewers' answers.

    Args:
        url: of a store that has nothing in it; its text is sealed.
        weeks: so many weeks up to now.
        a_day: so many conversations on most days.
        reads: how many turns each reviewer has read.

    Returns:
        Name -> token of the accounts that were made.
    """
    end = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    clock = _Clock(end - timedelta(weeks=weeks))
    encoder = CachedEncoder(load_encoder("builtin"))
    chance = random.Random(_SEED)  # noqa: S311 - the same data each time
    with AuditLog.open(url, content="sealed", clock=clock) as log:
        watching, acting = (
            Guard(_sealed(profile_policy(profile), url), encoder=encoder, audit=log)
            for profile in ("observe", "general")
        )
        for day in range(weeks * 7):
            guard = watching if day < WATCHING_WEEKS * 7 else acting
            clock.time = end - timedelta(weeks=weeks) + timedelta(days=day)
            _day(guard, clock, chance, day, a_day)
        return _reviews(log, acting.engine, clock, chance, reads)


def demo_policy(home: Path) -> Path:
    """Write the policy that the desk of the demonstration runs on; returns its file."""
    file = home / "rails.yml"
    (home / "exemplars").mkdir(exist_ok=True)
    file.write_text("profile: general\nexemplars: exemplars\n", encoding="utf-8")
    return file


def _sealed(policy: Policy, url: str) -> Policy:
    kept = {"store": url, "content": "sealed", "retention": None}
    return policy.model_copy(update={"audit": policy.audit.model_copy(update=kept)})


def _day(guard: Guard, clock: _Clock, chance: random.Random, day: int, a_day: int) -> None:
    count = max(1, round(a_day * chance.uniform(0.6, 1.2)))
    for number, talk in enumerate(chance.choices(load_conversations(), k=count)):
        clock.time += timedelta(minutes=chance.randint(5, 40))
        _talk(guard, talk, f"{talk.id}-{day}-{number}")


def _talk(guard: Guard, talk: DemoConversation, name: str) -> None:
    messages: list[dict[str, str]] = []
    state = None
    for turn in talk.turns:
        messages.append({"role": "user", "content": turn.user})
        done = exchange(guard, _Model(turn), messages, state=state, conversation=name)
        messages.append({"role": "assistant", "content": done.reply})
        state = done.closed.state


def _reviews(
    log: AuditLog, engine: Engine, clock: _Clock, chance: random.Random, reads: int
) -> dict[str, str]:
    desk = Desk.open(log, engine, clock)
    desk.index.refresh()
    tokens = {name: invite(log, name, "reviewer", clock) for name in _REVIEWERS}
    tokens["lead"] = invite(log, "lead", "lead", clock)
    known = {turn.user: turn for talk in load_conversations() for turn in talk.turns}
    readers = [account for name in _REVIEWERS if (account := by_token(log, tokens[name]))]
    for _ in range(reads):
        for account in readers:
            item = desk.queue.take(account)
            if item is not None:
                _answer(desk, account, item, known, chance)
    return tokens


def _answer(
    desk: Desk, account: Account, item: Item, known: dict[str, DemoTurn], chance: random.Random
) -> None:
    story = desk.story(item, account, blind=True)
    if story is None or not story.turn.user:
        return
    turn = known[story.turn.user[-1][0].text]
    reply = "" if story.turn.reply is None else story.turn.reply[0].text
    as_it_was = reply == turn.plain
    judgement = Judgement(
        rests=_said(turn.rests, chance),
        uncritical=_said("yes" if turn.colludes and as_it_was else "no", chance),
        harm=_said("yes" if turn.harms and as_it_was else "no", chance),
    )
    desk.answers.give(item, account, "first", judgement)
    if chance.random() < 0.5:  # noqa: PLR2004 - every other
        fits = _said("yes" if turn.rests == "yes" or turn.discloses else "no", chance)
        shown = desk.story(item, account, blind=False)
        if shown is not None and shown.inside is not None and shown.inside.steering:
            desk.answers.give(item, account, "after", replace(judgement, fits=fits))
    desk.queue.release(item.turn, account)


def _said(careful: Answer, chance: random.Random) -> Answer:
    if chance.random() >= _OTHERWISE:
        return careful
    others: dict[Answer, list[Answer]] = {"yes": ["no", "unsure"], "no": ["yes", "unsure"]}
    return chance.choice(others.get(careful, ["yes", "no"]))
