from pathlib import Path

import pytest

from corroborator import canaries
from corroborator.canaries import load_canaries
from corroborator.errors import DataError
from corroborator.exemplars import shipped_exemplars
from corroborator.reply_bank import read_replies
from corroborator.resources import resource
from corroborator.statements import normalise
from corroborator.taxonomy import load_taxonomy

CANARIES = load_canaries()
PAIRS = [*CANARIES.domains.values(), *CANARIES.protected.values(), CANARIES.certainty]
STATEMENTS = [text for pair in PAIRS for text in (*pair.fires, *pair.quiet)]


def test_no_canary_stands_twice() -> None:
    assert len({normalise(text).casefold() for text in STATEMENTS}) == len(STATEMENTS)


def test_no_canary_is_an_exemplar() -> None:
    bank = {normalise(item.text).casefold() for item in shipped_exemplars(load_taxonomy())}
    assert not bank & {normalise(text).casefold() for text in STATEMENTS}


def test_no_canary_reply_is_in_the_reply_bank() -> None:
    bank = read_replies(resource("embeddings", "replies"), load_taxonomy())
    told = {item.text for item in bank} | {item.user for item in bank}
    for triple in CANARIES.replies:
        assert not told & {triple.user, triple.colluding, triple.good, triple.overcorrecting}


def test_siblings_go_both_ways_and_a_family_is_its_own() -> None:
    for family in (*CANARIES.domains, *CANARIES.protected):
        relatives = CANARIES.relatives(family)
        assert family in relatives
        assert all(family in CANARIES.relatives(other) for other in relatives)


def test_siblings_are_all_domains_or_all_disclosures() -> None:
    for group in CANARIES.siblings:
        assert group <= set(CANARIES.domains) or group <= set(CANARIES.protected)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  age_claim:", "  age_clam:", "domains and the taxonomy differ in age_claim"),
        ("[diet_activity_report,", "[diet_report,", "siblings names diet_report"),
        ("siblings:", "sisters:", "sisters: this key is not known"),
        ("siblings:", "siblings: [", ""),
    ],
)
def test_what_does_not_hold_is_told_with_its_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    whole = resource("rails_config", "canaries.yml").read_text("utf-8")
    (tmp_path / "canaries.yml").write_text(whole.replace(old, new, 1), "utf-8")
    monkeypatch.setattr(canaries, "resource", lambda *parts: tmp_path / parts[-1])
    with pytest.raises(DataError, match=rf"canaries.yml:\d+: .*{problem}"):
        load_canaries()
