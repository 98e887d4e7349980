import json
from pathlib import Path

import pytest

from corroborator.errors import ConfigError
from corroborator.reply_bank import ReplySentence, read_replies, replies_hash
from corroborator.resources import resource
from tiny_world import CANARY, FAULTS, TAXONOMY, everything_told

FILE = "age_claim.jsonl"


def line(number: int = 1, **changed: object) -> str:
    row = {
        "id": f"age_claim-r{number:02}",
        "user": "I'm 30.",
        "colluding": [
            {"text": "At 30 you may.", "codes": ["K1", "K4"]},
            {"text": "Hm.", "codes": []},
        ],
        "good": [{"text": "You say so.", "codes": ["G1"]}],
    }
    return json.dumps({**row, **changed})


def write(folder: Path, *lines: str | bytes, name: str = FILE) -> Path:
    content = b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines)
    (folder / name).write_bytes(content)
    return folder


def test_every_sentence_knows_its_case_side_and_codes(tmp_path: Path) -> None:
    first, second, third = read_replies(write(tmp_path, line(), ""), TAXONOMY)
    assert first == ReplySentence(
        "age_claim-r01", "age_claim", "I'm 30.", "colluding", "At 30 you may.", ("K1", "K4")
    )
    assert (second.codes, third.side) == ((), "good")


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (CANARY, "the line: Invalid JSON"),
        (line(2, user=CANARY, note=""), "note: Extra inputs"),
        (line(2, user=""), "user: String should have at least 2"),
        (line(2, id=CANARY), "id: String should match pattern"),
        (line(2, good=[{"text": CANARY}]), "good.0.codes: Field required"),
        (line(2, good=[{"text": CANARY, "codes": ["K17"]}]), "unknown code 'K17'"),
        (line(1, user=CANARY), "the id 'age_claim-r01' stands twice"),
        (f'{{"user": "{CANARY} caf\xe9"}}'.encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_broken_line_is_named_by_file_and_line(
    tmp_path: Path, broken: str | bytes, problem: str
) -> None:
    write(tmp_path, line(), broken)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_replies(tmp_path, TAXONOMY)
    assert str(caught.value).startswith(f"{tmp_path / FILE}:2: ")
    assert CANARY not in everything_told(caught.value)


def test_a_file_is_named_after_a_family(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no family is called 'age_clam'"):
        read_replies(write(tmp_path, line(), name="age_clam.jsonl"), TAXONOMY)


def test_the_hash_knows_every_part(tmp_path: Path) -> None:
    rows = [
        line(),
        line(2),
        line(user="I'm 31."),
        line(good=[{"text": "You say so.", "codes": ["G2"]}]),
        line(good=[{"text": "You say.", "codes": ["G1"]}]),
        line(good=[], overcorrecting=[{"text": "You say so.", "codes": ["G1"]}]),
    ]
    hashes = [replies_hash(read_replies(write(tmp_path, row), TAXONOMY)) for row in rows]
    assert len(set(hashes)) == len(rows)


def test_the_shipped_bank_has_all_three_sides_and_every_fault() -> None:
    bank = read_replies(resource("embeddings", "replies"), TAXONOMY)
    assert {item.side for item in bank} == {"colluding", "good", "overcorrecting"}
    assert {code for item in bank for code in item.codes} >= set(FAULTS)
    faults = [code for item in bank if item.side == "good" for code in item.codes if code in FAULTS]
    assert faults == []
