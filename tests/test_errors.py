from pathlib import Path

import pytest

from corroborator import errors
from corroborator.errors import AuditError, ConfigError, CorroboratorError

NAMES = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, Exception)
]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_of_one_tree_and_drawn_in_it(name: str) -> None:
    assert issubclass(getattr(errors, name), CorroboratorError)
    assert errors.__doc__ is not None
    assert name in errors.__doc__


def test_errors_of_the_store_are_audit_errors() -> None:
    for name in ("StoreError", "MasterKeyError", "IntegrityError"):
        assert issubclass(getattr(errors, name), AuditError)


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        (None, None, "it is wrong"),
        ("rails.yml", None, "rails.yml: it is wrong"),
        (Path("a/rails.yml"), 7, "a/rails.yml:7: it is wrong"),
        (None, 7, "it is wrong"),
    ],
)
def test_a_config_error_says_where(file: str | Path | None, line: int | None, message: str) -> None:
    error = ConfigError("it is wrong", file, line)
    assert str(error) == message
    assert (error.problem, error.file, error.line) == ("it is wrong", file, line)
