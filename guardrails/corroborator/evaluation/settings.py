"""Words that are counted for measuring: ``rails_config/evaluation.yml``."""

from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/evaluation.yml"

Word = Annotated[str, StringConstraints(min_length=1, to_lower=True)]


class Settings(BaseModel):
    """The content of the file; what each list is for stands there."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    first_person: Annotated[tuple[Word, ...], Field(min_length=1)]
    referral_words: Annotated[tuple[Word, ...], Field(min_length=1)]
    disclosure_kinds: tuple[Word, ...]


@cache
def load_settings() -> Settings:
    """Return the shipped file.

    Raises:
        DataError: it does not hold; names the line and the key.
    """
    try:
        data, line_of = read_yaml(resource("rails_config", "evaluation.yml").read_bytes(), _FILE)
        return Settings.model_validate(data)
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None
