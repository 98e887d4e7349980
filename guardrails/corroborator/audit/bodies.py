"""What the chain may hold: the bodies of events, which no erasure ever removes.

A body holds nothing about the person. Its keys are closed, and its strings are codes without
spaces, so that prose cannot slip in; names of software may hold spaces.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from corroborator.audit.canonical import JSON
from corroborator.errors import InputError

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/+@=-]{1,128}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{0,200}$")]
Body = Mapping[str, JSON]
Versions = dict[Code, Version | int | dict[Code, Version | int | None] | None]


class _Closed(BaseModel):
    """The base of all: unknown keys are refused, wrong types too."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class OpenedBody(_Closed):
    """What is known before anything is judged.

    Attributes:
        turn: the host's id of the turn.
        app: the app's name.
        versions: of everything on which the decision depends.
    """

    turn: Code | None = None
    app: Code | None = None
    versions: Versions = {}


class ClosedBody(_Closed):
    """What was done.

    Attributes:
        turn: the host's id of the turn.
        action: what was done, in one word.
        milliseconds: how long it took.
        versions: of everything on which the decision depends.
        errors: codes of what failed.
    """

    turn: Code | None = None
    action: Word
    milliseconds: float | None = Field(default=None, ge=0)
    versions: Versions = {}
    errors: list[Code] = []


class NoteBody(RootModel[dict[Code, Code | int | float | bool | list[Code] | Versions | None]]):
    """What is said of an access, an export or a change of the configuration."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


def checked(form: type[OpenedBody | ClosedBody | NoteBody], given: Mapping[str, object]) -> Body:
    """Return the body as given, without what was not set.

    Raises:
        InputError: it holds something that the chain may not hold; what, is not in the error.
    """
    try:
        body: Body = form.model_validate(_lists(given)).model_dump(exclude_unset=True)
    except ValidationError:
        pass  # it names the keys and types given, and its context would travel with the error
    else:
        return body
    allowed = ", ".join(form.model_fields) if issubclass(form, _Closed) else "codes and numbers"
    raise InputError(
        f"the chain holds nothing about the person: allowed are {allowed}; strings are codes "
        "without spaces; put the rest into the detail, and text into what is sealed"
    )


def _lists(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
