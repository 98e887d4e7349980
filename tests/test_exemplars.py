import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator.errors import ConfigError, DataError
from corroborator.exemplars import (
    ORDINARY,
    Exemplar,
    ExemplarBank,
    bank_hash,
    read_exemplars,
    read_lines,
    shipped_exemplars,
    user_exemplars,
)
from tiny_world import CANARY, DOMAINS, PROTECTED, TAXONOMY, everything_told

FILE = "age_claim.jsonl"


def line(number: int = 1, family: str = "age_claim", **changed: object) -> str:
    row = {"id": f"{family}-c{number:02}", "text": f"I am {number}.", "label": "claim"}
    return json.dumps({**row, **changed}, ensure_ascii=False)


def contrast(number: int = 1, family: str = "age_claim", **changed: object) -> str:
    row = {"id": f"{family}-n{number:02}", "label": "contrast", "kind": "idiom_or_joke"}
    return line(number, family, **{**row, **changed})


def write(folder: Path, *lines: str | bytes, name: str = FILE) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines))
    return folder


def refused(folder: Path, problem: str, line_number: int | None = None, name: str = FILE) -> None:
    place = f"{folder / name}:{line_number}: " if line_number else f"{folder / name}: "
    with pytest.raises(ConfigError, match=problem) as caught:
        read_exemplars(folder, TAXONOMY)
    assert str(caught.value).startswith(place)
    assert CANARY not in everything_told(caught.value)


def test_a_bank_is_read_in_a_fixed_order(tmp_path: Path) -> None:
    write(tmp_path, line(family="sleep_report", text="a"), name="sleep_report.jsonl")
    write(tmp_path, line(carrier="assertion", text="b"), "", contrast(2, text="c", origin="x"))
    row = {"id": "abuse_disclosure-d01", "text": "d", "label": "disclosure"}
    write(tmp_path, json.dumps(row), name="protected/abuse_disclosure.jsonl")
    write(tmp_path, contrast(family=ORDINARY, kind="ordinary", text="e"), name="ordinary.jsonl")
    (tmp_path / "README.md").write_text("no exemplars")
    assert read_exemplars(tmp_path, TAXONOMY) == (
        Exemplar("age_claim-c01", "age_claim", "b", True, "assertion"),
        Exemplar("age_claim-n02", "age_claim", "c", False, "idiom_or_joke"),
        Exemplar("ordinary-n01", "ordinary", "e", False, "ordinary"),
        Exemplar("sleep_report-c01", "sleep_report", "a", True, None),
        Exemplar("abuse_disclosure-d01", "abuse_disclosure", "d", True, None),
    )


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("{", "the line: Invalid JSON"),
        (CANARY, "the line: Invalid JSON"),
        (f'["{CANARY}"]', "the line: "),
        (line(text=CANARY, extra=1), "extra: Extra inputs"),
        (line(text=""), "text: String should have at least 1"),
        (line(text=CANARY * 200), "text: String should have at most 1500"),
        (line(text=[CANARY]), "text: Input should be a valid string"),
        (line(id="AgeClaim-1", text=CANARY), "id: String should match pattern"),
        (line(label=CANARY), "label: Input should be 'claim', 'disclosure' or 'contrast'"),
        (line(label="disclosure", text=CANARY), "label must be 'claim' or 'contrast' here"),
        (
            line(kind="idiom_or_joke", text=CANARY),
            "a positive has a carrier, a contrast has a kind",
        ),
        (contrast(carrier="assertion", text=CANARY), "a positive has a carrier"),
        (line(carrier=CANARY), "carrier: Input should be"),
        ('{"id": "age_claim-c01", "text": "\\ud800", "label": "claim"}', "the line: Invalid JSON"),
    ],
)
def test_a_broken_line_is_named_by_file_and_line(tmp_path: Path, broken: str, problem: str) -> None:
    refused(write(tmp_path, line(7), "", broken), problem, 3)


@pytest.mark.parametrize(
    ("again", "problem"),
    [
        (line(7, text="another text"), f"this id stands already at {FILE}:1"),
        (line(8, text=" I  AM\u200b 7. "), f"this text stands already at {FILE}:1"),
    ],
)
def test_nothing_stands_twice(tmp_path: Path, again: str, problem: str) -> None:
    refused(write(tmp_path, line(7), again), problem, 2)


def test_labels_belong_to_the_kind_of_family(tmp_path: Path) -> None:
    name = "protected/abuse_disclosure.jsonl"
    write(tmp_path, line(family="abuse_disclosure"), name=name)
    refused(tmp_path, "label must be 'disclosure' or 'contrast' here", 1, name)


@pytest.mark.parametrize("label", ["claim", "disclosure"])
def test_what_is_ordinary_claims_nothing(tmp_path: Path, label: str) -> None:
    write(tmp_path, line(family=ORDINARY, label=label), name="ordinary.jsonl")
    refused(tmp_path, "label must be 'contrast' here", 1, "ordinary.jsonl")


@pytest.mark.parametrize(
    "name", ["age_clam.jsonl", "risk_disclosure.jsonl", "protected/age_claim.jsonl"]
)
def test_a_file_is_named_after_a_family(tmp_path: Path, name: str) -> None:
    refused(write(tmp_path, line(), name=name), "no family is called", name=name)


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, line(), line(2).replace("2.", f"{CANARY} caf\xe9").encode("latin-1"))
    refused(tmp_path, "not UTF-8", 2)


def test_windows_files_and_unusual_line_breaks_inside_a_text_are_read(tmp_path: Path) -> None:
    text = "one\u2028two\x85three\u2029four\x1cfive"
    row = line(text=text)
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf" + f"{row}\r\n\r\n{line(2)}\r\n".encode())
    assert [item.text for item in read_exemplars(tmp_path, TAXONOMY)] == [text, "I am 2."]
    assert [number for number, _ in read_lines(tmp_path / FILE)] == [1, 3]


def test_a_users_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        user_exemplars(tmp_path / "none", TAXONOMY)
    with pytest.raises(ConfigError, match="does not exist"):
        user_exemplars(write(tmp_path, line()) / FILE, TAXONOMY)
    assert len(user_exemplars(tmp_path, TAXONOMY)) == 1


def test_an_exemplar_does_not_show_its_text(tmp_path: Path) -> None:
    assert CANARY not in repr(read_exemplars(write(tmp_path, line(text=CANARY)), TAXONOMY))


def test_the_shipped_bank_has_positives_and_contrasts_of_every_family() -> None:
    bank = shipped_exemplars(TAXONOMY)
    for family in (*DOMAINS, *PROTECTED):
        sides = {item.positive for item in bank if item.family == family}
        assert sides == {True, False}, family
    assert {item.positive for item in bank if item.family == ORDINARY} == {False}


# --- the hash ---


def exemplar(
    number: int, positive: bool = True, family: str = "age_claim", text: str = ""
) -> Exemplar:
    return Exemplar(f"{family}-c{number:03}", family, text or f"text {number}", positive, None)


def test_the_hash_knows_every_part_and_the_order() -> None:
    one, two = exemplar(1), exemplar(2)
    others = [
        [two, one],
        [one],
        [exemplar(1, positive=False), two],
        [exemplar(1, text="x"), two],
        [exemplar(1, family="sleep_report"), two],
        [Exemplar("age_claim-c009", "age_claim", "text 1", True, None), two],
    ]
    hashes = [bank_hash([one, two]), *map(bank_hash, others)]
    assert len(set(hashes)) == len(hashes)
    assert bank_hash([exemplar(1), exemplar(2)]) == hashes[0]


# --- the nearest ---


def unit(
    rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 8), st.integers(0, 4))
def test_the_nearest_are_those_of_the_highest_cosine(
    seed: int, size: int, k: int, queries: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((size, 6)).astype(np.float32))
    bank = ExemplarBank(tuple(exemplar(n, positive=n % 3 > 0) for n in range(size)), vectors)
    asked = unit(random.standard_normal((queries, 6)).astype(np.float32))
    for side, search in ((True, bank.nearest_positives), (False, bank.nearest_contrasts)):
        found = search(asked, k)
        assert len(found) == queries
        for query, neighbours in zip(asked, found, strict=True):
            rows = [n for n in range(size) if bank.exemplars[n].positive == side]
            best = sorted((float(vectors[n] @ query) for n in rows), reverse=True)[:k]
            assert [n.similarity for n in neighbours] == pytest.approx(best, abs=1e-5)
            assert all(n.exemplar.positive == side for n in neighbours)


def test_a_bank_without_exemplars_has_no_neighbours() -> None:
    bank = ExemplarBank((), np.empty((0, 4), np.float32))
    asked = unit(np.ones((2, 4), np.float32))
    assert bank.nearest_positives(asked, 3) == bank.nearest_contrasts(asked, 3) == [[], []]
    assert bank.nearest_positives(asked[:0], 3) == []


def test_exemplars_and_vectors_go_together() -> None:
    with pytest.raises(DataError, match="1 exemplars but 2 vectors; run `corroborator fit`"):
        ExemplarBank((exemplar(1),), np.ones((2, 4), np.float32))


def test_a_bank_does_not_show_its_vectors() -> None:
    assert "array" not in repr(ExemplarBank((exemplar(1),), np.ones((1, 4), np.float32)))
