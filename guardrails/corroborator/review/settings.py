"""What the desk is set to: ``rails_config/review.yml``."""

from functools import cache
from typing import Annotated

from pydantic import Field, ValidationError

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.taxonomy import Record, Sentence
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/review.yml"

Code = Annotated[str, Field(pattern=r"^[KO][1-9][0-9]?$")]


class Settings(Record):
    """Settings of the desk; the file says what each means."""

    version: int
    severe_codes: frozenset[Code]
    urgent_from: float = Field(gt=0, le=1)
    double_coded: float = Field(ge=0, le=1)
    lock_minutes: int = Field(ge=1)
    batch: int = Field(ge=1)
    sample_goal: int = Field(ge=1)
    preview_turns: int = Field(ge=1)
    drift_alert: float = Field(gt=0)
    session_hours: int = Field(ge=1)
    content_note: Sentence
    pause_note: Sentence


@cache
def load_settings() -> Settings:
    """Return the shipped settings.

    Raises:
        DataError: the file is missing or does not hold; names the line and the key.
    """
    try:
        data, line_of = read_yaml(resource("rails_config", "review.yml"), _FILE)
        return Settings.model_validate(data)
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None
