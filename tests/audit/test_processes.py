"""Many processes, one store."""

from typing import Any

STORES, TURNS = 8, 12

WORK = """
import sys
from corroborator.audit import AuditLog, IndexRow
url, number, turns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for line in sys.stdin:
    log = AuditLog.open(url.removesuffix("log.db") + line.strip() + "?timeout=30")
    log.append(None, "accessed", {})
    if line == "log.db\\n":
        for turn in range(turns):
            handle = log.open_turn(f"c-{(turn + number) % 3}", {"versions": {"package": "0.1"}})
            detail = {"process": number, "turn": turn}
            row = IndexRow("age_claim", "steered", fired=True)
            log.close_turn(handle, {"action": "steered"}, detail, None, [row])
    log.close()
    print("done", flush=True)
"""


def test_processes_make_one_store_and_lose_and_fork_nothing(
    open_log: Any, start: Any, path: Any
) -> None:
    processes = [start(WORK, number, TURNS) for number in range(4)]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 4
    names = [*(f"{number}.db" for number in range(STORES)), "log.db"]
    for name in names:
        for process in processes:  # each makes the store, all at once
            process.stdin.write(f"{name}\n")
            process.stdin.flush()
        assert [process.stdout.readline() for process in processes] == ["done\n"] * 4
    for name in names[:-1]:
        report = open_log(url=f"sqlite:///{path.parent}/{name}").verify()
        assert (report.ok, report.events, report.chains) == (True, 4, 1)

    log = open_log()
    report = log.verify()
    assert report.problems == ()
    assert (report.chains, report.events, report.closed, report.gaps) == (4, 100, 48, 0)
    written = {(t.detail["process"], t.detail["turn"]) for t in log.records()}
    assert written == {(process, turn) for process in range(4) for turn in range(TURNS)}
    assert len(list(log.records(domain="age_claim"))) == 48
