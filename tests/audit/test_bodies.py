import pytest

from audit.helpers import CANARY, VERSIONS
from corroborator.audit.bodies import ClosedBody, NoteBody, OpenedBody, checked
from corroborator.errors import InputError
from tiny_world import everything_told

WRONG = [
    (OpenedBody, {"text": CANARY}),
    (OpenedBody, {CANARY: 1}),
    (OpenedBody, {"turn": CANARY}),
    (OpenedBody, {"turn": "t" * 129}),
    (OpenedBody, {"versions": {CANARY: "1"}}),
    (OpenedBody, {"versions": {"policy": "1\n2"}}),
    (OpenedBody, {"opened": 3}),
    (ClosedBody, {}),
    (ClosedBody, {"action": "Steered"}),
    (ClosedBody, {"action": "steered on the claim"}),
    (ClosedBody, {"action": "none", "errors": [CANARY]}),
    (ClosedBody, {"action": "none", "milliseconds": "1"}),
    (ClosedBody, {"action": "none", "milliseconds": -1}),
    (ClosedBody, {"action": "none", "commitment": "0"}),
    (ClosedBody, {"action": "none", "findings": []}),
    (NoteBody, {"who": CANARY}),
    (NoteBody, {"lists": [["a"]]}),
]


@pytest.mark.parametrize(("form", "body"), WRONG)
def test_what_the_chain_may_not_hold_is_refused_without_telling_it(
    form: type[OpenedBody | ClosedBody | NoteBody], body: dict[str, object]
) -> None:
    with pytest.raises(InputError, match="nothing about the person") as caught:
        checked(form, body)
    assert CANARY not in everything_told(caught.value)
    assert caught.value.__context__ is None


def test_a_body_is_kept_as_given() -> None:
    closed = {"action": "none", "milliseconds": 2.5, "errors": ("StoreError",), **VERSIONS}
    assert checked(ClosedBody, closed) == {**closed, "errors": ["StoreError"]}
    assert checked(OpenedBody, {}) == {}
    note = {"by": "reviewer:3", "count": 2, "share": 0.5, "blind": True, "ids": ["a", "b"]}
    assert checked(NoteBody, note) == note


def test_software_may_have_spaces_in_its_name() -> None:
    versions = {
        "versions": {"encoder": "sentence-transformers:my model:0123456789ab", "parts": {"a": 1}}
    }
    assert checked(OpenedBody, versions) == versions
