"""What the audit log costs, as ratios to a bare insert of the same bytes in the same run.

    tools/postgres.sh .venv-test/bin/python benchmarks/audit.py [writers] [turn] [verify=EVENTS]

Without arguments it measures writers and turn. Each part writes its table to ``docs/audit.md``. The
bytes are those of a real turn. A record is a whole turn: two transactions, each on the disk when it
returns; the bare insert puts the same bytes into one table in two such transactions. Writers are
processes, and each has its own conversation. Bare and logged rounds take turns.
"""

import hashlib
import multiprocessing
import os
import re
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from corroborator import Guard, parse_policy
from corroborator.audit import AuditLog, IndexRow, Record
from corroborator.audit.canonical import canonical
from corroborator.audit.chain import GENESIS
from corroborator.audit.contents import Content
from corroborator.audit.store import Store, read_url
from corroborator.audit.tables import conversations, details, events, findings_index

ROUNDS, SECONDS, WRITERS = 5, 2.0, (1, 4, 16)
TURNS, WARM = 60, 5
CHAIN_TURNS, CHAINS_AT_ONCE = 10, 500
PAGE = Path(__file__).parents[1] / "docs" / "audit.md"
CLAIM = "I hardly drink, just {n} glasses of wine most evenings, so one tablet is fine, isn't it?"
REPLY = (
    "From what you describe there is wine most evenings, so ask your pharmacist about tablet {n}."
)
FORK = multiprocessing.get_context("fork")  # importing takes longer than measuring


@dataclass(frozen=True)
class Turn:
    """What a turn leaves: bodies as JSON, and rows of the index."""

    opened: dict[str, Any]
    closed: dict[str, Any]
    detail: dict[str, Any]
    index: tuple[IndexRow, ...]

    def bytes(self) -> tuple[bytes, bytes]:
        """Return what a bare insert writes when the turn is opened, and when it is closed."""
        return canonical(self.opened), canonical(self.closed) + canonical(self.detail)


def real_turn() -> Turn:
    """Return what a guard of the general profile leaves of a turn with a claim."""
    with Guard(parse_policy("audit: {store: null}")) as guard:
        _talk(guard, 2)
        [stored] = guard.audit.records()
    assert stored.closed is not None
    opened = {"versions": stored.opened.body["versions"]}
    closed = {
        name: stored.closed.body[name] for name in ("action", "milliseconds", "errors", "versions")
    }
    index = (IndexRow("alcohol_use_report", str(closed["action"]), fired=True),)
    return Turn(opened, closed, dict(stored.detail or {}), index)


# --- writers ---


def writers(turn: Turn) -> str:
    """Measure 1, 4 and 16 writers on each store that there is."""
    lines = [
        "| store | writers | bare insert | log | ratio | p99 bare | p99 log | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        urls = {"SQLite": f"sqlite:///{folder}/log.db?timeout=60"}
        if server := os.environ.get("CORROBORATOR_TEST_POSTGRES"):
            urls["PostgreSQL"] = server + "&timeout=60"
        for name, url in urls.items():
            lines += [_row(name, url, turn, count) for count in WRITERS]
    return "\n".join(lines) + "\n"


def _row(name: str, url: str, turn: Turn, count: int) -> str:
    AuditLog.open(url).close()
    _bare_table(url)
    rounds = [
        (_round(_bare, url, turn, count), _round(_log, url, turn, count)) for _ in range(ROUNDS)
    ]
    rates = [(len(bare) / SECONDS, len(log) / SECONDS) for bare, log in rounds]
    tails = [(_p99(bare), _p99(log)) for bare, log in rounds]
    rate, tail = (
        [statistics.median(column) for column in zip(*pairs, strict=True)]
        for pairs in (rates, tails)
    )
    slower = statistics.median(bare / log for bare, log in rates)
    later = statistics.median(log / bare for bare, log in tails)
    print(name, count, "done", file=sys.stderr)
    return (
        f"| {name} | {count} | {rate[0]:.0f}/s | {rate[1]:.0f}/s | {slower:.1f} x |"
        f" {tail[0] * 1000:.1f} ms | {tail[1] * 1000:.1f} ms | {later:.1f} x |"
    )


def _round(work: Callable[..., None], url: str, turn: Turn, count: int) -> list[float]:
    """Return the seconds of each record that so many processes wrote in `SECONDS`."""
    barrier, results = FORK.Barrier(count), FORK.Queue()
    processes = [
        FORK.Process(target=_writer, args=(work, url, turn, barrier, results)) for _ in range(count)
    ]
    for process in processes:
        process.start()
    taken = [seconds for _ in processes for seconds in results.get()]
    for process in processes:
        process.join()
    return taken


def _writer(work: Callable[..., None], url: str, turn: Turn, barrier: Any, results: Any) -> None:
    taken: list[float] = []

    def until() -> Iterator[None]:
        yield  # to warm up
        barrier.wait()
        end = time.perf_counter() + SECONDS
        while (started := time.perf_counter()) < end:
            yield
            taken.append(time.perf_counter() - started)

    work(url, turn, until())
    results.put(taken)


def _log(url: str, turn: Turn, rounds: Iterator[None]) -> None:
    with AuditLog.open(url) as log:
        name = secrets.token_hex(8)
        for _ in rounds:
            handle = log.open_turn(name, turn.opened)
            log.close_turn(handle, turn.closed, turn.detail, None, turn.index)


def _bare(url: str, turn: Turn, rounds: Iterator[None]) -> None:
    store = Store(read_url(url))
    connection = store._own().engine.raw_connection()
    cursor, sqlite = connection.cursor(), url.startswith("sqlite")
    statement = f"INSERT INTO bare (body) VALUES ({'?' if sqlite else '%s'})"
    for _ in rounds:
        for body in turn.bytes():
            if sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(statement, (body,))
            connection.commit()
    connection.close()
    store.close()


def _bare_table(url: str) -> None:
    store = Store(read_url(url))
    kinds = ("INTEGER", "BLOB") if url.startswith("sqlite") else ("BIGSERIAL", "BYTEA")
    columns = f"id {kinds[0]} PRIMARY KEY, body {kinds[1]}"
    store.write(lambda c: c.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS bare ({columns})"))
    store.close()


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


# --- a turn ---


def cost_of_a_turn() -> str:
    """Measure which part of a guarded turn goes to the log, on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        policy = parse_policy(f"audit: {{store: 'sqlite:///{folder}/log.db'}}")
        with Guard(policy) as guard:
            timed = _Timed(guard.audit)
            guard.audit = timed  # type: ignore[assignment]
            turns, logged = [], []
            for number in range(TURNS + WARM):
                timed.seconds, started = 0.0, time.perf_counter()
                _talk(guard, number)
                turns.append(time.perf_counter() - started)
                logged.append(timed.seconds)
    whole, part = (statistics.median(column[WARM:]) * 1000 for column in (turns, logged))
    share = statistics.median(p / w for p, w in zip(logged[WARM:], turns[WARM:], strict=True))
    return (
        "| a turn with a claim and a draft | of it the log | share |\n| ---: | ---: | ---: |\n"
        f"| {whole:.0f} ms | {part:.1f} ms | {share:.0%} |\n"
    )


class _Timed:
    """A log that adds up how long its writing takes."""

    def __init__(self, log: AuditLog) -> None:
        self._log, self.seconds = log, 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._log, name)

        def timed(*given: Any) -> Any:
            started = time.perf_counter()
            try:
                return method(*given)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def _talk(guard: Guard, number: int) -> None:
    message = {"role": "user", "content": CLAIM.format(n=number)}
    turn = guard.open_turn([message], conversation=f"c-{number % 5}")
    turn.check(REPLY.format(n=number))
    turn.close(REPLY.format(n=number))


# --- verification ---


def verification(turn: Turn, count: int) -> str:
    """Measure `verify`, beside reading the same rows and hashing them once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        with AuditLog.open(f"sqlite:///{path}") as log:
            _fill(log, turn, count)
            print("filled", file=sys.stderr)
            bare = _seconds(lambda: _read(log))
            checked = _seconds(lambda: _sound(log))
            root = _seconds(log.checkpoint)
        size = path.stat().st_size / 1e9
    return (
        "| events | file | read and hash once | `verify` | ratio | `checkpoint` |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: |\n"
        f"| {count:,} | {size:.1f} GB | {bare:.0f} s | {checked:.0f} s | {checked / bare:.1f} x |"
        f" {root:.0f} s |\n"
    )


def _fill(log: AuditLog, turn: Turn, count: int) -> None:
    """Write conversations of ten turns as the log does, many in a transaction."""
    number, plain = 0, canonical(turn.detail).decode()
    for _ in range(count // (2 * CHAIN_TURNS * CHAINS_AT_ONCE)):
        tables: dict[Any, list[dict[str, Any]]] = {
            table: [] for table in (conversations, events, details, findings_index)
        }
        for _ in range(CHAINS_AT_ONCE):
            for table, row in _chain(turn, plain, number):
                tables[table].append(row)
            number += 2 * CHAIN_TURNS
        log.store.write(partial(_insert, tables))


def _insert(tables: dict[Any, list[dict[str, Any]]], connection: Any) -> None:
    for table, rows in tables.items():
        connection.execute(insert(table), rows)


def _chain(turn: Turn, plain: str, number: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    chain, prev, seq = secrets.token_hex(16), GENESIS, 0
    time_ = "2026-01-01T00:00:00.000000Z"
    for _ in range(CHAIN_TURNS):
        content = Content(secrets.token_bytes(32), plain)
        commitment = {"content": "none", "commitment": content.commitment()}
        for kind, body in (
            ("opened", turn.opened),
            ("closed", {**turn.closed, "opened": seq, **commitment}),
        ):
            text, number = canonical(body), number + 1
            draft = Record(chain, seq, kind, time_, body, prev, "")
            record = replace(draft, hash=draft.digest(text))
            row = {**record.to_json(), "body": text.decode(), "opened": body.get("opened")}
            yield events, {"id": number, **row}
            prev, seq = record.hash, seq + 1
        yield details, {"event": number, "salt": content.salt, "plain": content.plain}
        for found in turn.index:
            yield findings_index, {"event": number, **asdict(found)}
    head = {"head_seq": seq - 1, "head_hash": prev, "open_turns": 0, "erased": False}
    yield conversations, {"chain": chain, "created": time_, **head}


def _read(log: AuditLog) -> None:
    def work(connection: Any) -> None:
        for table in (events, details):
            for row in connection.execute(table.select()).yield_per(500):
                hashlib.sha256(repr(row).encode()).digest()

    log.store.read(work)


def _sound(log: AuditLog) -> None:
    report = log.verify()
    assert report.ok, report.problems[:3]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(parts: list[str]) -> None:
    """Measure, and write what was measured."""
    turn = real_turn()
    print(f"a turn is {sum(map(len, turn.bytes()))} bytes", file=sys.stderr)
    for part in parts:
        name, _, number = part.partition("=")
        measures: dict[str, Callable[[], str]] = {
            "writers": partial(writers, turn),
            "turn": cost_of_a_turn,
            "verify": partial(verification, turn, int(number or 0)),
        }
        measured = measures[name]()
        print(measured)
        _put(name, measured)


def _put(name: str, table: str) -> None:
    text, place = PAGE.read_text("utf-8"), rf"(<!-- measured: {name} -->\n).*?(<!-- end -->)"
    filled, count = re.subn(place, lambda m: f"{m[1]}{table}{m[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{PAGE} has no place for {name}")
    PAGE.write_text(filled, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:] or ["writers", "turn"])
