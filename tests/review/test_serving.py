"""Where the desk listens, and what it refuses."""

import re
import socket
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corroborator.cli import app
from corroborator.errors import DataError, InputError
from corroborator.review import demonstration, serving
from corroborator.review import settings as settings_module
from corroborator.review.security import is_loopback
from corroborator.review.serving import Place
from corroborator.yaml_file import read_yaml
from review import command
from review.desk import World
from tiny_world import said

CERT, KEY = Path("c.pem"), Path("k.pem")
ADDRESS = "https://review.example.org"


@pytest.mark.parametrize(
    "place",
    [
        Place(),
        Place("localhost"),
        Place("::1"),
        Place("0.0.0.0", address=ADDRESS, behind_proxy=True),  # noqa: S104 - behind a proxy
        Place("10.0.0.4", address=ADDRESS, cert=CERT, key=KEY),
    ],
    ids=str,
)
def test_safe_places(place: Place) -> None:
    place.require_safe()


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (Place("0.0.0.0"), "could read along"),  # noqa: S104 - refused
        (Place("10.0.0.4", address="http://x.example"), "could read along"),
        (Place("example.org"), "could read along"),
        (Place("10.0.0.4", address="http://x.example", behind_proxy=True), "--address https"),
        (Place("10.0.0.4", cert=CERT, key=KEY), "--address https"),
        (Place(cert=CERT), "both"),
    ],
    ids=str,
)
def test_places_where_others_could_read_along_are_refused(place: Place, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        place.require_safe()


def test_only_the_stated_name_reaches_it() -> None:
    assert Place(address=ADDRESS, behind_proxy=True).hosts == ("review.example.org",)
    assert Place(address=ADDRESS, behind_proxy=True).secure
    assert "127.0.0.1" in Place().hosts
    assert not Place().secure
    assert is_loopback("127.9.9.9")
    assert not is_loopback("192.168.1.1")


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place(port=taken.getsockname()[1])
        with pytest.raises(InputError, match="cannot listen on"):
            serving._listen(place)


@pytest.fixture
def store(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CORROBORATOR_MASTER_KEY", "A" * 43 + "=")
    world.say(said("age_claim"), "I see.", "c")
    return f"sqlite:///{world.log.store.path}"


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_tokens_are_made_and_taken_back(store: str) -> None:
    status, output = run("review", "invite", "ann", "--audit", store)
    assert status == 0
    assert "not shown again" in output
    assert run("review", "revoke", "ann", "--audit", store)[0] == 0
    assert run("review", "revoke", "ben", "--audit", store)[0] == 2
    assert run("review", "invite", "No Name", "--audit", store)[0] == 2


def test_it_does_not_start_in_the_open(store: str) -> None:
    status, output = run("review", "--host", "0.0.0.0", "--audit", store)  # noqa: S104 - refused
    assert status == 2
    assert "others could read along" in output


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    status, output = run("review", "--audit", f"sqlite:///{tmp_path / 'none.db'}")
    assert status == 2
    assert "no audit store" in output
    assert not (tmp_path / "none.db").exists()


def test_the_command_serves_until_it_is_interrupted(store: str) -> None:
    with command.serving(store, 0) as told:
        found = re.search(r"http://127\.0\.0\.1:\d+", told)
        assert found is not None, told
        assert "Token of the first account, lead" in told
        with urllib.request.urlopen(f"{found[0]}/sign-in", timeout=20) as answer:  # noqa: S310 - ours
            assert "Sign in" in answer.read().decode()


def test_a_report_is_written_once_and_holds_no_text(
    store: str, world: World, tmp_path: Path
) -> None:
    day = world.clock().date().isoformat()
    out = tmp_path / "report"
    status, output = run("report", "--from", day, "--to", day, str(out), "--audit", store)
    assert status == 0, output
    page = (out / "report.html").read_text("utf-8")
    table = (out / "report.csv").read_text("utf-8")
    for text in (page, table):
        assert "I told you" not in text
        assert "I see." not in text
    assert "all,,turns,1" in table
    assert "family,age_claim,fired,1" in table
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", page)
    assert "default-src 'none'" in page
    assert run("report", "--from", day, "--to", day, str(out), "--audit", store)[0] == 2
    assert run("report", "--from", "2026-06-02", "--to", "2026-06-01", "--audit", store)[0] == 2
    kinds = world.log.store.read(
        lambda c: c.exec_driver_sql("SELECT body FROM events WHERE kind = 'exported'").all()
    )
    assert len(kinds) == 1


def test_the_demonstration_makes_a_store_and_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded: list[str] = []

    def seed(url: str) -> dict[str, str]:
        seeded.append(url)
        return {"lead": "a-token"}

    monkeypatch.setattr("corroborator.review.demonstration.seed", seed)
    status, output = run("review", "demo", "--only-seed", "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert "lead: a-token" in output
    assert seeded[0] in output


def test_the_desk_is_served_here_with_what_there_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[object] = []

    async def serve(_server: object, sockets: list[socket.socket]) -> None:
        served.extend(sockets)
        for one in sockets:
            one.close()

    world.say(said("age_claim"), "I see.")
    monkeypatch.setattr("uvicorn.Server.serve", serve)
    told: list[str] = []
    serving.serve(world.log, None, Place(), told.append)
    assert served
    assert told[0] == "1 new turns in the queue."
    assert told[1].startswith("Token of the first account, lead")
    assert "http://127.0.0.1:" in told[2]
    serving.serve(world.log, None, Place(), told.append)
    assert len(told) == 4


def test_settings_and_conversations_that_do_not_hold_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, load in (
        (settings_module, settings_module.load_settings.__wrapped__),
        (demonstration, demonstration.load_conversations),
    ):
        monkeypatch.setattr(module, "read_yaml", lambda *_: read_yaml("version: x"))
        with pytest.raises(DataError, match="version"):
            load()
        monkeypatch.setattr(module, "read_yaml", lambda *_: read_yaml("version: [x"))
        with pytest.raises(DataError):
            load()
