# ruff: noqa: RUF001 - letters that look like others are what some tests are about
import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corroborator.statements import (
    CLAUSE_WORDS,
    MESSAGE_CHARACTERS,
    PASSAGE_WORDS,
    Reading,
    identify,
    normalise,
    read_message,
    read_whole,
    whole_sentences,
)
from tiny_world import CANARY

HIDING = "\u200b\u200d\u2060\ufeff\u00ad\u202e\u2066\u3164\u1160\ufe0f\U000e0041"

any_text = st.text(st.characters(exclude_categories=()), max_size=200)  # surrogates among them
sentences = st.lists(
    st.sampled_from(
        ["I slept. ", "Did he? ", "no, \n", "3.5 mg! ", "e.g. this; ", "😀 ", "x" * 50]
    ),
    max_size=60,
).map("".join)


def texts(reading: Reading) -> list[str]:
    return [statement.text for statement in reading.statements]


# --- statements and their places ---


@settings(deadline=None)
@given(any_text | sentences)
@example("Hello there \U0001f600 my friend. It is so.")
@example("a\u2028b\x85c\x0bd")
@example("word " * 200)
def test_statements_hold_every_word_once_and_know_their_place(text: str) -> None:
    reading = read_message(text, 4)
    end = 0
    for statement in reading.statements:
        assert end <= statement.start < statement.end <= len(text)
        assert normalise(text[end : statement.start]) == ""  # nothing is lost between
        assert statement.text == normalise(text[statement.start : statement.end]) != ""
        assert statement.message == 4
        end = statement.end
    assert normalise(text[end:]) == ""
    assert reading.unread == 0


@settings(deadline=None)
@given(sentences)
def test_passages_are_runs_of_whole_statements(text: str) -> None:
    reading = read_message(text)
    starts = {s.start for s in reading.statements}
    ends = {s.end for s in reading.statements}
    for passage in reading.passages:
        inside = [s for s in reading.statements if passage.start <= s.start < passage.end]
        assert passage.start in starts
        assert passage.end in ends
        assert len(inside) > 1
        assert passage.text == " ".join(s.text for s in inside)
        assert len(passage.text.split()) <= PASSAGE_WORDS


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b\u200e", "\x00\x01", "\ud800"])
def test_nothing_to_read_gives_no_statements(text: str) -> None:
    assert read_message(text) == Reading(())


def test_sentences_and_lines_are_statements() -> None:
    text = "I only had two. Really!\nAsk my wife\r\n- she knows"
    assert texts(read_message(text)) == ["I only had two.", "Really!", "Ask my wife", "- she knows"]


def test_a_long_sentence_is_cut_at_punctuation_and_else_at_forty_words() -> None:
    commas = " ".join(["and then we went on and on,"] * 14)  # 98 words
    plain = " ".join(["word"] * 100)
    for text in (commas, plain):
        pieces = texts(read_message(text))
        assert " ".join(pieces) == text
        assert max(len(piece.split()) for piece in pieces) <= CLAUSE_WORDS
    assert all(piece.endswith(",") for piece in texts(read_message(commas)))
    assert [len(piece.split()) for piece in texts(read_message(plain))] == [40, 40, 20]


def test_a_claim_over_several_sentences_is_a_passage() -> None:
    reading = read_message("I drove home. It was late. I'd had a few.")
    assert [p.text for p in reading.passages] == ["I drove home. It was late. I'd had a few."]
    assert read_message("I drove home.").passages == ()


def test_passages_of_a_long_message_overlap_by_half() -> None:
    text = " ".join(f"Sentence number {n} has seven words here." for n in range(40))
    passages = read_message(text).passages
    assert passages[0].start == 0
    assert passages[-1].end == len(text)
    for before, after in pairwise(passages):
        assert before.start < after.start < before.end < after.end


def test_of_a_long_message_the_beginning_and_the_end_are_read() -> None:
    filler = "This is one more sentence in the middle. " * 25_000
    text = f"First of all I say this. {filler}Last of all I say that."
    assert len(text) > 1_000_000
    started = time.perf_counter()
    reading = read_message(text)
    assert time.perf_counter() - started < 10
    assert reading.unread == len(text) - MESSAGE_CHARACTERS
    assert texts(reading)[0] == "First of all I say this."
    assert texts(reading)[-1] == "Last of all I say that."
    assert [s.start for s in reading.statements] == sorted(s.start for s in reading.statements)


def test_of_a_draft_everything_is_read() -> None:
    text = "This is one more sentence in the middle. " * 1000
    statements = read_whole(text)
    assert len(statements) == 1000
    assert all(text[s.start : s.end] == s.text for s in statements)
    assert read_whole(text[:400]) == read_message(text[:400]).statements


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "a " * 10_000, "_ " * 10_000, "é-" * 10_000, ",;: " * 5000, "." * 20_000],
)
def test_strange_text_takes_no_long_time(text: str) -> None:
    started = time.perf_counter()
    read_message(text)
    assert time.perf_counter() - started < 5


def test_a_statement_does_not_show_its_text() -> None:
    assert CANARY not in repr(read_message(f"I saw a {CANARY}. It was there."))


# --- spellings that only hide ---


@given(any_text)
def test_normalised_text_holds_no_hidden_characters(text: str) -> None:
    normal = normalise(text)
    assert not {unicodedata.category(c) for c in normal} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(normal) & set(HIDING)
    assert normal == " ".join(normal.split())
    assert unicodedata.is_normalized("NFKC", normal)


@pytest.mark.parametrize(
    "hidden",
    [
        "We hard\u200bly d\u200drink",
        "\u202eWe hardly\u202c drink",
        "We hardly d\u00adrink",
        "Ｗｅ ｈａｒｄｌｙ ｄｒｉｎｋ",
        "We h a r d l y drink",
        "We h.a.r.d.l.y drink",
        "We h-a-r-d-l-y  d*r*i*n*k",
        "𝐖𝐞 𝐡𝐚𝐫𝐝𝐥𝐲 𝐝𝐫𝐢𝐧𝐤",
        "We\x00hardly\x07drink",
        "We hardly d\U000e0072\U000e0061rink",
        "We h\u3164ardly drin\ufe0fk",
        "We\thardly\n\n drink ",
    ],
)
def test_hidden_spellings_are_undone(hidden: str) -> None:
    assert normalise(hidden) == "We hardly drink"


def test_marks_apart_from_their_letter_by_something_invisible_join_it() -> None:
    assert normalise("cafe\u200b\u0301") == "caf\u00e9"


@given(st.text("abcdefghij .,!", min_size=1, max_size=40), st.data())
def test_invisible_marks_anywhere_change_nothing(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text)))
    mark = data.draw(st.sampled_from(HIDING))
    assert normalise(text[:place] + mark + text[place:]) == normalise(text)


def test_ordinary_writing_stays_as_it_is() -> None:
    for text in (
        "It was 3.5 mg at 10:30.",
        "U.S. law - really?",
        "a b c",
        "I'm fine — I am.",
        "x_y_z",
    ):
        assert normalise(text) == text


# --- languages ---


@pytest.mark.parametrize(
    ("text", "language", "covered"),
    [
        ("I have not been drinking at all this week, honestly.", "en", True),
        ("Ich habe diese Woche überhaupt nichts getrunken.", "de", False),
        ("No he bebido nada en toda la semana, de verdad.", "es", False),
        ("我这个星期完全没有喝酒，真的没有。", "zh", False),
        ("ok", "und", True),
        ("im fine lol", "und", True),
        ("", "und", True),
        ("12345 67890 !!!!!!!!!!!!!", "und", True),
    ],
)
def test_the_language_decides_what_is_covered(text: str, language: str, covered: bool) -> None:
    assert identify(text) == (language, covered)


@pytest.mark.parametrize(
    "text",
    [
        "I’m fine",
        "can’t go on 😭",
        "he hit me…",
        "“I’m 14”",
        "i’m done 💔",
        "don’t tell mum",
        "wanna kms 🔪",
    ],
)
def test_short_english_of_a_phone_is_read(text: str) -> None:
    assert identify(normalise(text))[1]


def test_only_the_statement_in_another_language_is_not_covered() -> None:
    reading = read_message(
        "I hardly drink these days. Ich habe diese Woche überhaupt nichts getrunken."
    )
    assert [s.covered for s in reading.statements] == [True, False]
    assert [p.covered for p in reading.passages] == [True]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", ""),
        ("Well", ""),
        ("Well. ", ""),
        ("Well. N", "Well. "),
        ("I saw Dr. Sm", ""),
        ("It costs 3.50 now. Yes", "It costs 3.50 now. "),
        ("One\n", "One\n"),
        ("One\r\nTwo. Th", "One\r\nTwo. "),
        ("(Go. N", "(Go. "),
        ("\ud83d. Go", "\ud83d. "),
    ],
)
def test_a_sentence_is_whole_when_the_next_begins_or_its_line_ends(text: str, whole: str) -> None:
    assert text[: whole_sentences(text)] == whole
