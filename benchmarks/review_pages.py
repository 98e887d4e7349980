# ruff: noqa: INP001, T201 - a script, which prints
"""How fast the review desk's pages are with a million turns.

    python benchmarks/review_pages.py [--turns 1000000] [--write docs/review.md]

Fills a store in a temporary folder by bulk inserts (rows as the index writes them, events without
content, and the answers of reviewers to one turn in fifty), then asks for each page some times. Every time is also given as a ratio to the page that
only tells the keys, which does no more than look the reader up. With ``--write`` the table goes into
a page of the documentation.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert
from starlette.testclient import TestClient

from corroborator.audit import AuditLog, MasterKey
from corroborator.audit.chain import iso_time
from corroborator.audit.tables import conversations, events
from corroborator.encoders import load_encoder
from corroborator.engine import Engine
from corroborator.policy import load_policy
from corroborator.review.accounts import invite
from corroborator.review.app import create_app
from corroborator.review.clock import now
from corroborator.review.desk import Desk
from corroborator.review.facts import BINS, LATENCIES
from corroborator.review.tables import answers, prepare, queue, tallies, turns
from corroborator.review.tables import desk as state

TURNS_OF_CHAIN = 8
BATCH = 20_000
READ = 50  # one turn in so many was answered, and every fifth of those twice
ASKED = 15
FIRED, NEAR = 0.06, 0.05
VERSIONS = ("0.1.0, model 11111111, policy 22222222", "0.1.0, model 33333333, policy 22222222")


def fill(log: AuditLog, count: int, families: tuple[str, ...]) -> None:
    """Insert so many turns over the last year."""
    chance = random.Random(1)  # noqa: S311 - the same store each time
    first = datetime.now(UTC) - timedelta(days=365)
    tally: Counter[tuple[str, str, str, str, str]] = Counter()
    for start in range(0, count, BATCH):
        rows = [
            _turn(number, count, first, families, chance, tally)
            for number in range(start + 1, min(start + BATCH, count) + 1)
        ]
        log.store.write(partial(_insert, rows))
    names = ("day", "version", "language", "family", "measure")
    counted = [dict(zip(names, key, strict=True), count=n) for key, n in tally.items()]

    def finish(connection: Connection) -> None:
        connection.execute(insert(tallies), counted)
        connection.execute(state.update().values(read_to=2 * count))
        connection.exec_driver_sql("ANALYZE")

    log.store.write(finish)


def _turn(
    number: int,
    count: int,
    first: datetime,
    families: tuple[str, ...],
    chance: random.Random,
    tally: Counter[tuple[str, str, str, str, str]],
) -> dict[str, Any]:
    moment = first + timedelta(days=365) * (number / count)
    fired, near = chance.random() < FIRED, chance.random() < NEAR
    family = chance.choice(families) if fired or near else None
    version, language = VERSIONS[2 * number // (count + 1)], chance.choice(("en", "en", "en", "de"))
    band = 1 if fired else 2 if near else 3
    if fired and chance.random() < 0.02:  # noqa: PLR2004 - few are urgent
        band = 0
    wanted = 2 if chance.random() < 0.2 else 1  # noqa: PLR2004 - as the settings say
    day = moment.date().isoformat()
    measures = [
        "turns",
        "read",
        "replies",
        "action:none",
        f"latency:{chance.randrange(len(LATENCIES))}",
    ]
    measures += [f"claim:{chance.randrange(BINS)}", f"disclosure:{chance.randrange(BINS)}"]
    for measure in (*measures, *(["fired"] if fired else [])):
        tally[day, version, language, "", measure] += 1
    if fired and family is not None:
        tally[day, version, language, family, "fired"] += 1
        tally[day, version, language, family, f"band:{band}"] += 1
    return {
        "number": number,
        "chain": f"{(number - 1) // TURNS_OF_CHAIN:032x}",
        "seq": 2 * ((number - 1) % TURNS_OF_CHAIN),
        "time": iso_time(moment),
        "version": version,
        "family": family,
        "language": language,
        "band": band,
        "place": chance.random(),
        "sample": None if fired else chance.random(),
        "wanted": wanted,
        "done": wanted if number % READ == 0 else 0,
    }


def _insert(rows: list[dict[str, Any]], connection: Connection) -> None:
    chains = dict.fromkeys(row["chain"] for row in rows if row["seq"] == 0)
    head = {"head_seq": 15, "head_hash": "", "open_turns": 0, "erased": False, "created": ""}
    connection.execute(insert(conversations), [{"chain": chain, **head} for chain in chains])
    connection.execute(insert(events), [event for row in rows for event in _events(row)])
    same = ("chain", "seq", "time", "version", "family", "language")
    connection.execute(
        insert(turns),
        [
            {"id": r["number"], "event": 2 * r["number"], "reply": True, **{n: r[n] for n in same}}
            for r in rows
        ],
    )
    places = ("chain", "band", "place", "sample", "wanted")
    connection.execute(
        insert(queue),
        [
            {
                "turn": r["number"],
                "done": r["done"],
                "waiting": r["done"] < r["wanted"],
                **{n: r[n] for n in places},
            }
            for r in rows
        ],
    )
    connection.execute(insert(answers), [answer for row in rows for answer in _answers(row)])


def _answers(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    same = {"chain": row["chain"], "time": row["time"], "band": row["band"], "stage": "first"}
    said = {"rests": "no", "uncritical": "no", "fits": "unasked", "harm": "no", "urgent": False}
    for account in range(row["done"]):
        one = {"turn": row["number"], "account": 100 + account, "salt": b""}
        yield {**same, **said, **one, "rests": "yes" if _rests(row) else "no"}


def _rests(row: dict[str, Any]) -> bool:
    """Of what fired two thirds are right; of the rest one in a hundred was missed."""
    return bool(row["number"] % 3) if row["sample"] is None else row["number"] % 100 == 0


def _events(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    common = {"chain": row["chain"], "schema": 1, "time": row["time"], "prev": "", "hash": ""}
    yield {**common, "seq": row["seq"], "kind": "opened", "body": "{}", "opened": None}
    body = '{"action":"none","content":"erased"}'
    yield {**common, "seq": row["seq"] + 1, "kind": "closed", "body": body, "opened": row["seq"]}


def measure(client: TestClient, csrf: str) -> dict[str, float]:
    """Return the median time of each page, in ms."""
    year = (datetime.now(UTC) - timedelta(days=364)).date().isoformat()
    asked = {
        "keys": ("GET", "/keys"),
        "queue": ("GET", "/"),
        "next turn": ("POST", "/next"),
        "list of a part": ("GET", "/queue/sample"),
        "disputes": ("GET", "/disputes"),
        "agreement": ("GET", "/agreement"),
        "shadow": ("GET", "/shadow"),
        "30 days": ("GET", "/watch"),
        "a year": ("GET", f"/watch?start={year}"),
    }
    times = {name: _median(client, *request, csrf) for name, request in asked.items()}
    place = client.post("/next", data={"csrf": csrf}).headers["location"]
    times["a turn"] = _median(client, "POST", f"{place}/open", csrf)
    return times


def _median(client: TestClient, method: str, path: str, csrf: str) -> float:
    times = []
    for _ in range(ASKED):
        started = time.perf_counter()
        answer = client.request(method, path, data={"csrf": csrf} if method == "POST" else None)
        times.append((time.perf_counter() - started) * 1000)
        if answer.status_code not in (200, 303):
            raise SystemExit(f"{path}: {answer.status_code}")
    return statistics.median(times)


def table(times: dict[str, float], count: int) -> str:
    """Return the times as Markdown."""
    rows = [
        f"| {name} | {milliseconds:.0f} ms | {milliseconds / times['keys']:.1f} |"
        for name, milliseconds in times.items()
    ]
    head = f"Median of {ASKED}, with {count:,} turns, of which one in {READ} was answered:"
    return "\n".join(
        [head, "", "| page | time | ratio to the page of keys |", "|---|--:|--:|", *rows]
    )


def write(page: Path, measured: str) -> None:
    """Put a table between the marks of a page."""
    text = page.read_text("utf-8")
    before, _, rest = text.partition("<!-- measured: pages -->\n")
    _, mark, after = rest.partition("<!-- end -->")
    if not mark:
        raise SystemExit(f"{page} has no place for what was measured")
    page.write_text(f"{before}<!-- measured: pages -->\n{measured}\n{mark}{after}", "utf-8")


def main() -> None:
    """Fill a store, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    given = parser.parse_args()
    policy = load_policy()
    engine = Engine.load(policy, load_encoder(policy.encoder))
    with (
        tempfile.TemporaryDirectory() as folder,
        AuditLog.open(
            f"sqlite:///{Path(folder) / 'log.db'}", master_key=MasterKey(bytes(32))
        ) as log,
    ):
        prepare(log.store)
        started = time.perf_counter()
        fill(log, given.turns, tuple(engine.taxonomy.domains))
        print(f"filled in {time.perf_counter() - started:.0f} s", flush=True)
        desk = Desk.open(log, engine)
        measured = table(pages(desk, log), given.turns)
        desk.close()
    print(measured)
    if given.write is not None:
        write(given.write, measured)


def pages(desk: Desk, log: AuditLog) -> dict[str, float]:
    """Return the time of each page for a lead, in ms; also of the first one after a start."""
    client = TestClient(create_app(desk, ["testserver"]), follow_redirects=False)
    client.post("/sign-in", data={"token": invite(log, "lead", "lead", now)})
    started = time.perf_counter()
    csrf = client.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]
    first = (time.perf_counter() - started) * 1000
    return measure(client, csrf) | {"queue, the first time after a start": first}


if __name__ == "__main__":
    main()
