"""The pages by their requests: who may see what, what is refused, what is never told."""

import logging
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from corroborator.errors import StoreError
from corroborator.review.accounts import Role, revoke
from corroborator.review.app import create_app
from corroborator.review.desk import Desk
from corroborator.review.security import HEADERS, MOST_BYTES
from review.desk import World
from tiny_world import CANARY, said

NO = {"rests": "no", "uncritical": "no", "harm": "no"}


class Browser(TestClient):
    """A client that sends our forms as a browser does."""

    csrf = ""

    def sign_in(self, world: World, name: str, role: Role = "reviewer") -> "Browser":
        answer = self.post("/sign-in", data={"token": world.token(name, role)})
        assert answer.status_code == 303
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/").text)
        assert found is not None
        self.csrf = found[1]
        return self

    def submit(self, path: str, **data: str) -> tuple[int, str]:
        answer = self.post(path, data={"csrf": self.csrf, **data})
        return answer.status_code, answer.headers.get("location", answer.text)


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    found = Desk.open(world.log, world.guard.engine, world.clock)
    yield found
    found.close()


@pytest.fixture
def browser(desk: Desk) -> Iterator[Browser]:
    with Browser(create_app(desk, ["testserver"]), follow_redirects=False) as client:
        yield client


@pytest.fixture
def second(desk: Desk) -> Browser:
    return Browser(create_app(desk, ["testserver"]), follow_redirects=False)


@pytest.fixture
def turn(world: World, desk: Desk) -> str:
    """The number of a turn that waits, as it stands in an address."""
    world.say(f"{said('risk_disclosure')} {CANARY}", f"Well, k1 then. {CANARY}", "c")
    desk.index.refresh()
    return "1"


def test_nothing_is_shown_to_who_is_not_signed_in(browser: Browser, turn: str) -> None:
    for path in ("/", f"/turns/{turn}", "/watch", "/proposals", "/keys", "/agreement"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
    assert browser.get("/sign-in").status_code == 200
    answer = browser.post(f"/turns/{turn}/open", headers={"hx-request": "true"})
    assert answer.headers["hx-redirect"] == "/sign-in"


def test_an_unknown_token_is_refused(browser: Browser) -> None:
    answer = browser.post("/sign-in", data={"token": CANARY})
    assert answer.status_code == 403
    assert CANARY not in answer.text


def test_a_reviewer_reads_answers_and_sees_what_the_guard_did(
    browser: Browser, world: World, turn: str
) -> None:
    browser.sign_in(world, "ann")
    assert browser.submit("/next") == (303, f"/turns/{turn}")
    page = browser.get(f"/turns/{turn}").text
    assert CANARY not in page
    assert "Before you read" in page
    status, page = browser.submit(f"/turns/{turn}/open")
    assert status == 200
    assert CANARY in page
    assert "What the guard did" not in page
    assert "<mark" not in page
    assert browser.submit(f"/turns/{turn}/answer", **NO) == (303, f"/turns/{turn}")
    page = browser.get(f"/turns/{turn}").text
    assert "What the guard did" in page
    assert '<mark class="help">' in page
    assert browser.submit(f"/turns/{turn}/after", **NO, fits="yes") == (303, "/saved")


def test_every_opening_is_in_the_log(browser: Browser, world: World, turn: str) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    browser.get(f"/turns/{turn}")
    assert accesses(world) == []
    browser.submit(f"/turns/{turn}/open")
    browser.submit(f"/turns/{turn}/answer", **NO)
    browser.get(f"/turns/{turn}")
    first, second = accesses(world)
    assert '"reader":"ann"' in first
    assert '"blind":true' in first
    assert '"blind":false' in second


def accesses(world: World) -> list[str]:
    rows = world.log.store.read(
        lambda c: c.exec_driver_sql("SELECT body FROM events WHERE kind = 'accessed'").all()
    )
    return [row.body for row in rows]


def test_nobody_answers_what_they_have_not_opened(
    browser: Browser, world: World, turn: str
) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    assert browser.submit(f"/turns/{turn}/answer", **NO)[0] == 409


def test_a_reviewer_sees_no_turn_that_they_did_not_take(
    browser: Browser, second: Browser, world: World, turn: str
) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    second.sign_in(world, "ben")
    for path in (f"/turns/{turn}", f"/turns/{turn}/propose", "/turns/999"):
        assert second.get(path).status_code == 404, path
    for path in ("open", "answer", "after", "skip", "propose"):
        form = {**NO, "family": "age_claim", "side": "exemplar"}
        assert second.submit(f"/turns/{turn}/{path}", **form)[0] == 404, path


def test_what_leads_do_is_closed_to_reviewers(browser: Browser, world: World, turn: str) -> None:
    browser.sign_in(world, "ann")
    for path in ("/disputes", "/watch", "/agreement", "/shadow", "/queue/fired"):
        assert browser.get(path).status_code == 403, path
    for path in ("/shadow", f"/turns/{turn}/decide", "/proposals/1/decide", "/proposals/1/preview"):
        form = {**NO, "reason": "x", "verdict": "accept"}
        assert browser.submit(path, **form)[0] == 403, path


def test_a_lead_decides_a_contradiction(
    browser: Browser, world: World, desk: Desk, turn: str
) -> None:
    for name, judgement in (("ann", NO), ("ben", {**NO, "rests": "yes"})):
        visitor = Browser(create_app(desk, ["testserver"]), follow_redirects=False)
        visitor.sign_in(world, name)
        visitor.submit("/next")
        visitor.submit(f"/turns/{turn}/open")
        visitor.submit(f"/turns/{turn}/answer", **judgement)
    browser.sign_in(world, "lea", "lead")
    assert f'href="/turns/{turn}"' in browser.get("/disputes").text
    page = browser.submit(f"/turns/{turn}/open")[1]
    assert "What the reviewers said" in page
    form = {**NO, "reason": "It does not."}
    assert browser.submit(f"/turns/{turn}/decide", **form) == (303, "/disputes")
    assert "Nobody disagrees" in browser.get("/disputes").text
    assert browser.submit(f"/turns/{turn}/decide", **form)[0] == 409


def test_a_form_without_its_token_changes_nothing(
    browser: Browser, world: World, turn: str
) -> None:
    browser.sign_in(world, "ann")
    for path in ("/next", f"/turns/{turn}/open", "/pause", "/sign-out"):
        assert browser.post(path, data={"csrf": "other"}).status_code == 403, path
        assert browser.post(path, data={}).status_code == 403, path
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_page_is_refused(
    browser: Browser, world: World, headers: dict[str, str]
) -> None:
    browser.sign_in(world, "ann")
    answer = browser.post("/next", data={"csrf": browser.csrf}, headers=headers)
    assert answer.status_code == 403


def test_another_host_name_is_refused(browser: Browser) -> None:
    assert browser.get("/sign-in", headers={"host": "evil.example"}).status_code == 421
    assert browser.get("/sign-in", headers={"host": "testserver:8400"}).status_code == 200


def test_long_forms_and_forms_of_unknown_length_are_refused(browser: Browser) -> None:
    assert browser.post("/sign-in", data={"token": "x" * MOST_BYTES}).status_code == 413

    def piecewise() -> Iterator[bytes]:
        yield b"token=x"

    assert browser.post("/sign-in", content=piecewise()).status_code == 411


def test_every_answer_carries_the_headers(browser: Browser, world: World) -> None:
    browser.sign_in(world, "ann")
    for path in ("/", "/no/such/page", "/sign-in", "/static/nothing.css", "/turns/x"):
        answer = browser.get(path)
        assert {name: answer.headers[name] for name in HEADERS if name != "cache-control"} == {
            name: value for name, value in HEADERS.items() if name != "cache-control"
        }, path
    assert "unsafe" not in HEADERS["content-security-policy"]
    assert browser.get("/").headers["cache-control"] == "no-store"


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: Browser, world: World, desk: Desk
) -> None:
    answer = browser.post("/sign-in", data={"token": world.token("ann")})
    cookie = answer.headers["set-cookie"].casefold()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    by_tls = Browser(create_app(desk, ["testserver"], secure=True), follow_redirects=False)
    answer = by_tls.post("/sign-in", data={"token": world.token("ann")})
    assert "secure" in answer.headers["set-cookie"].casefold()


def test_a_session_ends_with_signing_out_with_time_and_with_the_account(
    browser: Browser, world: World
) -> None:
    browser.sign_in(world, "ann")
    cookies = dict(browser.cookies)
    assert browser.submit("/sign-out") == (303, "/sign-in")
    browser.cookies.update(cookies)
    assert browser.get("/").status_code == 303
    browser.sign_in(world, "ann")
    world.clock.move(hours=9)
    assert browser.get("/").status_code == 303
    browser.sign_in(world, "ann")
    revoke(world.log, "ann")
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fversion.py",
        "/static//etc/passwd",
    ],
)
def test_no_file_outside_is_served(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_text_is_never_in_addresses_titles_logs_or_errors(
    browser: Browser, world: World, turn: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser.sign_in(world, "ann")
    browser.submit("/next")
    _, page = browser.submit(f"/turns/{turn}/open")
    title = re.search("<title>(.*)</title>", page)
    assert title is not None
    assert CANARY not in title[1]
    assert not [
        found for found in re.findall(r'(?:href|action|src)="([^"]*)"', page) if CANARY in found
    ]
    for form in ({"rests": CANARY}, {**NO, "rests": CANARY}, {"reason": CANARY * 300}):
        answer = browser.post(f"/turns/{turn}/answer", data={"csrf": browser.csrf, **form})
        assert answer.status_code == 400
        assert CANARY not in answer.text
    assert CANARY not in browser.get(f"/turns/{CANARY}").text
    assert CANARY not in browser.get(f"/{CANARY}").text
    told = [r.getMessage() for r in caplog.records if not r.name.startswith("httpx")]
    assert CANARY not in "".join(told)


def test_a_failing_page_tells_the_kind_of_error_and_no_more(
    desk: Desk, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Browser(
        create_app(desk, ["testserver"]), follow_redirects=False, raise_server_exceptions=False
    )
    client.sign_in(world, "ann")

    def fail(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("corroborator.review.queue.Queue.waiting", fail)
    answer = client.get("/")
    assert answer.status_code == 500
    assert CANARY not in answer.text
    ours = [r for r in caplog.records if r.name == "corroborator.review"]
    assert [r.getMessage() for r in ours] == ["a page failed: RuntimeError"]


def test_a_store_that_fails_is_said_in_words(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in(world, "ann")

    def fail(*_: object) -> None:
        raise StoreError("the audit store is locked")

    monkeypatch.setattr("corroborator.review.queue.Queue.waiting", fail)
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "The audit store is locked." in answer.text


def test_the_key_never_reaches_the_browser(browser: Browser, world: World, turn: str) -> None:
    browser.sign_in(world, "lea", "lead")
    browser.submit("/next")
    pages = [browser.submit(f"/turns/{turn}/open")[1]]
    pages += [browser.get(path).text for path in ("/", "/watch", "/shadow", "/queue/urgent")]
    key = world.log._master
    assert key is not None
    for page in pages:
        assert key.secret.hex() not in page
        assert key.id not in page


def test_a_pause_is_suggested_after_each_batch(browser: Browser, world: World, desk: Desk) -> None:
    for _ in range(desk.settings.batch + 1):
        world.say("We had soup.", "Nice.")
    desk.index.refresh()
    browser.sign_in(world, "ann")
    for _ in range(desk.settings.batch):
        place = browser.submit("/next")[1]
        browser.submit(f"{place}/open")
        browser.submit(f"{place}/answer", **NO)
    assert browser.submit("/next") == (303, "/pause")
    assert str(desk.settings.batch) in browser.get("/pause").text
    browser.submit("/pause")
    assert browser.submit("/next")[1].startswith("/turns/")


def test_an_erased_conversation_is_not_open_any_more(
    browser: Browser, world: World, turn: str
) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    browser.submit(f"/turns/{turn}/open")
    world.log.erase("c")
    assert browser.get(f"/turns/{turn}").status_code == 404


def test_a_proposal_goes_to_the_lead(browser: Browser, world: World, turn: str) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    browser.submit(f"/turns/{turn}/open")
    assert browser.get(f"/turns/{turn}/propose").status_code == 404
    browser.submit(f"/turns/{turn}/answer", **NO)
    page = browser.get(f"/turns/{turn}/propose").text
    assert CANARY not in page
    form = {
        "family": "age_claim",
        "side": "exemplar",
        "carrier": "assertion",
        "text": "I am of age.",
    }
    assert browser.submit(f"/turns/{turn}/propose", **form)[0] == 400
    copied = {**form, "text": f"{said('risk_disclosure')} {CANARY}", "own": "true"}
    status, page = browser.submit(f"/turns/{turn}/propose", **copied)
    assert status == 400
    assert "write a sentence of your own" in page
    assert browser.submit(f"/turns/{turn}/propose", **form, own="true") == (303, "/proposals/1")
    assert "waits for a lead" in browser.get("/proposals/1").text
    assert "I am of age." in browser.get("/proposals").text


@pytest.mark.usefixtures("turn")
def test_leads_pages_show_what_there_is(browser: Browser, world: World) -> None:
    browser.sign_in(world, "lea", "lead")
    for path in ("/watch", "/watch?family=age_claim&start=2020-01-01", "/shadow", "/agreement"):
        assert browser.get(path).status_code == 200, path
    for name in ("urgent", "fired", "near", "sample"):
        assert browser.get(f"/queue/{name}").status_code == 200
    assert browser.get("/watch?start=2026-01-02&end=2026-01-01").status_code == 400
    assert browser.get("/watch?start=nonsense").status_code == 400


def test_skipping_leaves_a_turn_to_others(browser: Browser, world: World, turn: str) -> None:
    browser.sign_in(world, "ann")
    browser.submit("/next")
    assert browser.submit(f"/turns/{turn}/skip") == (303, "/")
    assert browser.submit("/next") == (303, "/done")
    assert "nothing left" in browser.get("/done").text
