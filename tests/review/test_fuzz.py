"""Every route, with whatever may come: no answer is an error of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok
from starlette.testclient import TestClient

from corroborator.review.accounts import Account
from corroborator.review.app import create_app
from corroborator.review.desk import Desk
from corroborator.review.security import COOKIE
from corroborator.review.web import Web
from review.desk import World
from tiny_world import said

EXAMPLES = 10


@pytest.fixture
def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for text in (said("risk_disclosure"), said("age_claim"), "We had soup."):
        world.say(text, "Well, k1 then.")
    monkeypatch.setattr("corroborator.review.again.refitted", lambda engine, _new: engine)
    found = Desk.open(world.log, world.guard.engine, world.clock)
    found.index.refresh()
    yield found
    found.close()


@pytest.mark.parametrize("role", ["lead", "reviewer"])
def test_no_route_fails(desk: Desk, world: World, role: str) -> None:
    app = create_app(desk, ["testserver"])
    account = world.account(role, role)  # type: ignore[arg-type] # one of its literals
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 25
    with TestClient(app, follow_redirects=False, raise_server_exceptions=False) as client:
        seen = set()
        for operation in operations:
            seen |= fuzz(operation, client, app.state.web, account)
    assert {200, 303, 400, 403} <= seen


def fuzz(
    operation: "APIOperation[Any, Any, Any, Any]", client: TestClient, web: Web, account: Account
) -> set[int]:
    """Ask for one route in many ways; returns the statuses that came."""
    cases = st.one_of(
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    )
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, number=st.integers(1, 4), sincere=st.booleans())
    def ask(case: "Case[Any]", number: int, sincere: bool) -> None:
        name = web.sessions.begin(account.id)
        session = web.sessions.find(name)
        assert session is not None
        session.opened.update(range(1, 5))
        path = dict(case.path_parameters or {})
        if sincere and "number" in path:
            path["number"] = number
        sent = case.as_transport_kwargs(base_url="http://testserver")
        url = "http://testserver" + operation.path.format(**path).replace("\x00", "%00")
        headers = {k: v for k, v in sent["headers"].items() if k.lower() != "x-csrf"}
        client.cookies.clear()
        client.cookies.set(COOKIE, name)
        answer = client.request(
            operation.method.upper(),
            url,
            params=sent.get("params"),
            data=sent.get("data"),
            json=sent.get("json"),
            headers={**headers, "x-csrf": session.csrf if sincere else "other"},
        )
        assert answer.status_code < 500, (operation.label, answer.status_code)
        seen.add(answer.status_code)

    ask()
    return seen
