"""Canaries: statements and replies that show whether each head works at all.

They are no exemplars: nothing is fitted on them. ``rails_config/canaries.yml`` holds them;
`corroborator.canary_run` runs them.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource
from corroborator.taxonomy import Record, Sentence, load_taxonomy
from corroborator.yaml_file import first_problem, read_yaml

_FILE = "rails_config/canaries.yml"


class CanaryPair(Record):
    """What must fire for a head, and near misses that must stay quiet."""

    fires: Annotated[tuple[Sentence, ...], Field(min_length=2)]
    quiet: Annotated[tuple[Sentence, ...], Field(min_length=2)]


class CanaryReplies(Record):
    """A message and three replies to it."""

    user: Sentence
    colluding: Sentence
    good: Sentence
    overcorrecting: Sentence


class Canaries(Record):
    """The canaries of all heads.

    Attributes:
        domains, protected: by id, all of the taxonomy.
        certainty: surely stated and less surely stated.
        replies: for the heads that judge drafts.
        siblings: groups of ids; a statement of one may be counted as another of its group.
    """

    domains: Mapping[str, CanaryPair]
    protected: Mapping[str, CanaryPair]
    certainty: CanaryPair
    replies: Annotated[tuple[CanaryReplies, ...], Field(min_length=2)]
    siblings: tuple[frozenset[str], ...]

    @model_validator(mode="after")
    def _covers_the_taxonomy(self) -> "Canaries":
        taxonomy = load_taxonomy()
        for section, known in (("domains", taxonomy.domains), ("protected", taxonomy.protected)):
            if odd := set(known) ^ set(getattr(self, section)):
                raise ValueError(f"{section} and the taxonomy differ in {min(odd)}")
        if odd := {*()}.union(*self.siblings) - {*taxonomy.domains, *taxonomy.protected}:
            raise ValueError(f"siblings names {min(odd)}, which is not in the taxonomy")
        return self

    def relatives(self, family: str) -> frozenset[str]:
        """Return a family and its siblings."""
        return frozenset({family}).union(*(group for group in self.siblings if family in group))


def load_canaries() -> Canaries:
    """Return the shipped canaries.

    Raises:
        DataError: their file is missing or does not hold; names the line and the key.
    """
    try:
        data, line_of = read_yaml(resource("rails_config", "canaries.yml"), _FILE)
        return Canaries.model_validate(data)
    except ConfigError as error:
        raise DataError(str(error)) from None
    except ValidationError as error:
        problem = first_problem(error, line_of)
        raise DataError(f"{_FILE}:{problem.line}: {problem.key}: {problem.text}") from None
