"""Places to turn to (crisis lines and the like), by need and country, with expiry.

``rails_config/resources.yml`` holds the table. A row is never guessed: an unknown country, a need
without a row, or a row past its day gives a directory or "the emergency number where you are".
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import AfterValidator, StringConstraints, model_validator

from corroborator.taxonomy import Date, Record, Sentence


class Need(StrEnum):
    """What a person may need help with."""

    EMERGENCY = "emergency"
    CRISIS = "crisis"
    DOMESTIC_ABUSE = "domestic_abuse"
    SEXUAL_VIOLENCE = "sexual_violence"
    CHILD = "child"
    EATING = "eating"
    SUBSTANCE = "substance"


def _iso(country: str) -> str:
    if country == "UK":
        raise ValueError("the ISO code of the United Kingdom is GB")
    return country


Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), AfterValidator(_iso)]
Url = Annotated[str, StringConstraints(pattern=r"^https://\S+$")]


class Resource(Record):
    """A place to turn to.

    Attributes:
        contact: how to reach it, in words that fit after its name.
        countries: for a number that several countries share, where it holds.
        languages: language codes; empty where not known.
        hours: None where not known.
        checked: whether somebody compared the row with the service's own page or called it.
        expires: the last day on which the row may be shown; None only for rows without a number.
        owner: who keeps the row right.
    """

    name: Sentence
    contact: Sentence
    url: Url | None
    countries: tuple[Country, ...] = ()
    languages: tuple[str, ...]
    hours: Sentence | None
    source: Sentence
    checked: bool
    checked_on: Date | None
    expires: Date | None
    owner: Sentence

    @model_validator(mode="after")
    def _a_check_has_a_day(self) -> Self:
        if self.checked == (self.checked_on is None):
            raise ValueError("checked and checked_on go together: both set, or no and null")
        return self


def _with_expiry(row: Resource) -> Resource:
    if row.expires is None:
        raise ValueError("expires must be a day such as 2027-05-01")
    return row


def _shared_only_by_eu(rows: Mapping[str, Resource]) -> Mapping[str, Resource]:
    for country, row in rows.items():
        if bool(row.countries) != (country == "EU"):
            raise ValueError(f"{country}: only the row EU has countries, and it must have them")
    return MappingProxyType(dict(rows))


def _every_need(
    table: Mapping[Need, Mapping[str, Resource]],
) -> Mapping[Need, Mapping[str, Resource]]:
    if missing := [need for need in Need if need not in table]:
        raise ValueError(f"{missing[0]} is missing")
    return MappingProxyType(dict(table))


_Rows = Annotated[
    Mapping[Country, Annotated[Resource, AfterValidator(_with_expiry)]],
    AfterValidator(_shared_only_by_eu),
]


class Anywhere(Record):
    """What holds everywhere: words without a number, and a directory."""

    emergency: Resource
    directory: Resource


class Resources(Record):
    """The table. The key ``EU`` marks a number that the countries in its ``countries`` share."""

    version: int
    anywhere: Anywhere
    needs: Annotated[Mapping[Need, _Rows], AfterValidator(_every_need)]

    def find(self, need: Need, country: str | None, today: dt.date) -> Resource:
        """Return the place for a need in a country, or what holds anywhere.

        Args:
            need: what help is needed with.
            country: an ISO 3166 two-letter code, in either case; None where not known.
            today: rows whose ``expires`` day is over are passed by.
        """
        rows, code = self.needs[need], (country or "").upper()
        own, shared = rows.get(code), rows.get("EU")
        holds = [own] if own else []
        if shared and code in shared.countries:
            holds.append(shared)
        for row in holds:
            if row.expires is not None and today <= row.expires:
                return row
        return self.anywhere.emergency if need == Need.EMERGENCY else self.anywhere.directory
