"""From a message to its statements: sentences and clauses with their place in the message.

What is read of a message is bounded by `MESSAGE_CHARACTERS`: of a longer one the beginning and the
end are read, two thirds and one third, and the rest is counted as unread.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import sentencex
import yaml
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from corroborator.resources import resource

MESSAGE_CHARACTERS = 20_000
CLAUSE_WORDS = 40
PASSAGE_WORDS = 70

# Unicode's Default_Ignorable_Code_Point: what a reader does not see
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACED_OUT = re.compile(r"(?<!\w)[^\W_](?:[ .\-_*][^\W_]){3,}(?!\w)")
_CLAUSE_END = re.compile(r"[,;:\u2013\u2014](?=\s)|\s-(?=\s)")
_LINE_END = re.compile(r"[\r\n\u2028\u2029]")
_WORD = re.compile(r"\S+")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_IDENTIFIABLE_LETTERS = 12


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence, a clause of a long sentence, or a passage of several sentences.

    Attributes:
        message: position of its message in the conversation.
        start, end: its place in the message, in characters, end excluded.
        text: what is encoded: the characters there, normalised.
        language: ISO 639-1 code, or ``und`` where nothing can be said.
        covered: whether the detectors were tested in that language.
    """

    message: int
    start: int
    end: int
    text: str = field(repr=False)
    language: str = "und"
    covered: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one message.

    Attributes:
        statements: sentences and clauses in order, without overlap.
        passages: runs of statements of up to `PASSAGE_WORDS` words, for claims that only several
            sentences make; none where the message is a single statement.
        unread: characters that were left out because the message is too long.
    """

    statements: tuple[Statement, ...]
    passages: tuple[Statement, ...] = ()
    unread: int = 0


def normalise(text: str) -> str:
    """Undo spellings that only hide: compatibility forms, invisible marks, spaced-out letters."""
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", _SURROGATE.sub(" ", text)))
    text = _SPACED_OUT.sub(_joined, re.sub(r"\s", " ", _CONTROL.sub(" ", text)))
    return re.sub(" +", " ", text).strip()


def _joined(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", re.sub(r"[ .\-_*]", "", match[0]))


def read_message(text: str, message: int = 0) -> Reading:
    """Split one message into statements and passages."""
    statements: list[Statement] = []
    passages: list[Statement] = []
    unread = 0
    for offset, piece in _bounded(text):
        read = list(_statements(text, message, offset, piece))
        statements += read
        passages += _passages(read)
    unread = max(0, len(text) - MESSAGE_CHARACTERS)
    return Reading(tuple(statements), tuple(passages), unread)


def read_whole(text: str) -> tuple[Statement, ...]:
    """Split a text of any length, such as a draft, into statements; none is left out."""
    return tuple(_statements(text, 0, 0, text))


def whole_sentences(text: str) -> int:
    """Return how many characters of a text that is still being written are whole sentences.

    A line break ends a sentence, and so does the beginning of the next one.
    """
    line = max((m.end() for m in _LINE_END.finditer(text)), default=0)
    clean = _SURROGATE.sub("\ufffd", text[line:])
    sentences = list(sentencex.get_sentence_boundaries("en", clean))
    begun = sentences[-1]["start_index"] if sentences else 0
    return line + int(begun)


def _statements(text: str, message: int, offset: int, piece: str) -> Iterator[Statement]:
    for start, end in _spans(piece):
        statement = _statement(text, message, offset + start, offset + end)
        if statement.text:
            yield statement


def _bounded(text: str) -> list[tuple[int, str]]:
    if len(text) <= MESSAGE_CHARACTERS:
        return [(0, text)]
    head = MESSAGE_CHARACTERS * 2 // 3
    tail = len(text) - (MESSAGE_CHARACTERS - head)
    return [(0, text[:head]), (tail, text[tail:])]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    clean = _SURROGATE.sub("\ufffd", text)
    for line in re.finditer(r"[^\r\n\u2028\u2029]+", clean):
        for sentence in sentencex.get_sentence_boundaries("en", line[0]):
            start = line.start() + sentence["start_index"]
            end = line.start() + sentence["end_index"]
            cuts = [m.end() for m in _languages().sentence_end.finditer(clean, start, end)]
            for first, last in itertools.pairwise([start, *cuts, end]):
                yield from _clauses(clean, first, last)


def _clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a sentence of more than `CLAUSE_WORDS` words at punctuation, or else at that length."""
    while True:
        words = [(start + m.start(), start + m.end()) for m in _WORD.finditer(text[start:end])]
        if not words:
            return
        if len(words) <= CLAUSE_WORDS:
            yield words[0][0], words[-1][1]
            return
        limit = words[CLAUSE_WORDS - 1][1]
        earliest = words[CLAUSE_WORDS // 4][1]
        cuts = [m.end() for m in _CLAUSE_END.finditer(text, earliest, limit + 1)]
        cut = cuts[-1] if cuts else limit
        yield words[0][0], cut
        start = cut


def _statement(text: str, message: int, start: int, end: int) -> Statement:
    normal = normalise(text[start:end])
    language, covered = identify(normal)
    return Statement(message, start, end, normal, language, covered)


def _passages(statements: list[Statement]) -> Iterator[Statement]:
    """Join neighbours into runs; where they do not all fit, each run starts half a run later."""
    sizes = [s.text.count(" ") + 1 for s in statements]
    first = 0
    while first < len(statements) - 1:
        last, words = first, sizes[first]
        while last + 1 < len(statements) and words + sizes[last + 1] <= PASSAGE_WORDS:
            last += 1
            words += sizes[last]
        if last > first:
            run = statements[first : last + 1]
            yield Statement(
                run[0].message,
                run[0].start,
                run[-1].end,
                " ".join(s.text for s in run),
                run[0].language,
                any(s.covered for s in run),
            )
        if last + 1 >= len(statements):
            return
        first = max(first + 1, (first + last + 1) // 2)


@dataclass(frozen=True)
class _Languages:
    tested: frozenset[str]
    min_confidence: float
    sentence_end: re.Pattern[str]
    identifier: LanguageIdentifier


@cache
def _languages() -> _Languages:
    data = yaml.safe_load(resource("rails_config", "languages.yml").read_text("utf-8"))
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(data["candidates"])
    words = "|".join(map(re.escape, data["never_abbreviations"]))
    return _Languages(
        frozenset(data["tested"]),
        float(data["min_confidence"]),
        re.compile(rf"\b(?:{words})\.(?=\s)", re.IGNORECASE),
        identifier,
    )


def identify(text: str) -> tuple[str, bool]:
    """Return the language of a text and whether the detectors were tested in it.

    Texts of fewer than twelve letters are ``und`` and count as covered: nothing can be said about
    "ok" or "lol im fine", and leaving them unread would be the worse mistake.
    """
    if sum(map(str.isalpha, text)) < _IDENTIFIABLE_LETTERS and text.isascii():
        return "und", True
    known = _languages()
    language, confidence = known.identifier.classify(text)
    if confidence < known.min_confidence:
        return "und", True
    return str(language), language in known.tested
