"""Whoever is written about may read these pages: some words must not stand in any of them."""

import re
from pathlib import Path

import pytest

import corroborator.review
from corroborator.resources import resource_path
from corroborator.review.proposals import CARRIERS, KINDS
from test_wording import AVOID, pattern

FOLDER = Path(corroborator.review.__file__).parent
PAGES = sorted(FOLDER.glob("templates/*.html"))


def words_of(page: Path) -> str:
    """Return what a page says, without its tags, its comments and the ids it looks words up by."""
    text = re.sub(r"\{#.*?#\}|\"[a-z_]+\": ", " ", page.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"<[^>]*>", " ", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_word_labels_or_doubts_a_person(page: Path) -> None:
    text = words_of(page)
    assert not pattern(AVOID["labels"]).findall(text)
    assert not pattern(AVOID["doubt"]).findall(text)
    assert not pattern(AVOID["spelling"]).findall(text)


def test_what_pages_are_filled_with_holds_no_such_word() -> None:
    text = resource_path("rails_config", "review.yml").read_text("utf-8")
    text += (FOLDER / "inside.py").read_text("utf-8")
    assert not pattern(AVOID["labels"]).findall(text)


def test_every_way_to_say_something_has_words() -> None:
    parts = (FOLDER / "templates" / "parts.html").read_text("utf-8")
    assert [tag for tag in (*CARRIERS, *KINDS) if f'"{tag}": "' not in parts] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_holds_a_script_a_style_or_an_address_elsewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"<script(?! src=\"/static/)|\son[a-z]+=|\sstyle=|javascript:", text)
    assert not re.search(r"(?:href|src|action)=\"(?:https?:)?//", text)
    if page.name != "report.html":
        assert "<style" not in text
        assert "| safe" not in text
