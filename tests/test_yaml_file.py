from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from corroborator.errors import ConfigError
from corroborator.yaml_file import did_you_mean, first_problem, read_yaml

POLICY = """\
# a comment
profile: clinical

domains:
  alcohol_use_report: {mode: steer}
  age_claim:
    mode: off   # stays a word
needs: [NO, yes, no]
rows:
  - name: one
    day: 2027-05-01
  -
    name: two
"""


class PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def problem_of(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "rails.yml")
    return caught.value


def test_values_and_their_lines() -> None:
    data, line_of = read_yaml(POLICY)
    assert data["domains"] == {
        "alcohol_use_report": {"mode": "steer"},
        "age_claim": {"mode": "off"},
    }
    assert line_of(("profile",)) == 2
    assert line_of(("domains", "alcohol_use_report", "mode")) == 5
    assert line_of(("domains", "age_claim", "mode")) == 7
    assert line_of(("rows", 0, "day")) == 11
    assert line_of(("rows", 1, "name")) == 13


def test_the_line_of_what_is_not_there_is_its_parents() -> None:
    _, line_of = read_yaml(POLICY)
    assert line_of(("domains", "age_claim", "modus", "deeper")) == 6
    assert line_of(("nowhere",)) == line_of(()) == 2


def test_only_true_and_false_are_truth_values() -> None:
    data, _ = read_yaml("[NO, no, yes, on, off, y, true, False, TRUE, 'true']")
    assert data == ["NO", "no", "yes", "on", "off", "y", True, False, True, "true"]


def test_an_empty_file_holds_nothing() -> None:
    for text in ("", "# only a comment\n\n"):
        data, line_of = read_yaml(text)
        assert data is None
        assert line_of(("a", 1)) == 1


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "second time"),
        ("x:\n  a: 1\n  a: 1\n", 3, "second time"),
        ("a: &x 1\nb: *x\n", 1, "anchors"),
        ("a: &a [*a]\n", 1, "anchors"),
        ("<<: {a: 1}\nb: 1\n", 1, "key must be a word"),
        ("\n1: one\n", 2, "key must be a word"),
        ("? [a, b]\n: 1\n", 1, "key must be a word"),
        ("a: !!python/object/apply:os.system [true]\n", 1, "tags"),
        ("a: !!timestamp x\n", 1, "tags"),
        ("a: 1\n---\nb: 1\n", 2, "document"),
        ("a:\n\t- b\n", 2, "token"),
        ("a: 'x\n", 2, "end of stream"),
        ("a: 1\nday: 2026-13-45\n", 2, "quotes"),
        ("a: 0x_\n", 1, "quotes"),
        ("[" * 100_000, 1, "deep"),
        ("\n".join(" " * depth + "a:" for depth in range(99)), 41, "deep"),
        (b"a: 1\nb: \xe4\n", 2, "UTF-8"),
    ],
)
def test_what_is_refused_names_file_and_line(text: str | bytes, line: int, word: str) -> None:
    error = problem_of(text)
    assert (error.file, error.line) == ("rails.yml", line)
    assert str(error).startswith(f"rails.yml:{line}: ")
    assert word in error.problem


@pytest.mark.parametrize("text", ["a: \x00", "\x1b[0m", "a: \ud800"])
def test_control_characters_are_refused(text: str) -> None:
    error = problem_of(text)
    assert "control characters" in error.problem
    assert error.__cause__ is None


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "rails.yml"
    file.write_bytes(b"\xef\xbb\xbfprofile: clinical\r\nb: \xc3\xa4\r\n")
    assert read_yaml(file).data == {"profile": "clinical", "b": "ä"}
    file.write_text("a: [\n")
    with pytest.raises(ConfigError, match=r"rails\.yml:2: ") as caught:
        read_yaml(file)
    assert caught.value.file == str(file)
    with pytest.raises(ConfigError, match="no such file"):
        read_yaml(tmp_path / "missing.yml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path)


def refused(text: str) -> ConfigError | None:
    try:
        read_yaml(text)
    except ConfigError as error:
        return error
    return None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    error = refused(text)
    assert error is None or error.file == "<text>"


@settings(deadline=None)
@given(st.text(alphabet="ab:-?[]{}!&*|>%@`'\"#,~<= \n\t019._", max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    error = refused(text)
    assert error is None or error.line is not None


_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _words | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(_words, _values, max_size=4))
def test_what_pyyaml_writes_reads_back(data: dict[str, Any]) -> None:
    assert read_yaml(yaml.dump(data, Dumper=PlainDumper)).data == data


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), st.lists(st.integers(), max_size=3)))
def test_every_key_knows_its_line(data: dict[str, list[int]]) -> None:
    text = yaml.dump(data, Dumper=PlainDumper, default_flow_style=False, sort_keys=False)
    lines = text.splitlines()
    _, line_of = read_yaml(text)
    for key, values in data.items():
        assert lines[line_of((key,)) - 1].strip("'\"").startswith(key)
        for index, value in enumerate(values):
            assert lines[line_of((key, index)) - 1].strip() == f"- {value}"


class Mode(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    mode: str
    turns: int = 1

    @field_validator("turns")
    @classmethod
    def _positive(cls, turns: int) -> int:
        if turns < 1:
            raise ValueError("turns must be 1 or more")
        return turns


class Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    domains: dict[str, Mode]


@pytest.mark.parametrize(
    ("text", "key", "line", "problem"),
    [
        ("domains:\n  a: {mode: x}\n  b:\n    moed: x\n", "domains.b.moed", 4, "not known"),
        ("domains:\n  a: {mode: x}\n  b: {}\n", "domains.b.mode", 3, "missing"),
        ("domains:\n  a: canary\n", "domains.a", 2, "mapping"),
        ("domains: [canary]\n", "domains", 1, "mapping"),
        ("domains:\n  a: {mode: [canary]}\n", "domains.a.mode", 2, "string"),
        (
            "domains:\n  a:\n    mode: x\n    turns: 0\n",
            "domains.a.turns",
            4,
            "turns must be 1 or more",
        ),
        ("canary\n", "the file", 1, "mapping"),
    ],
)
def test_the_first_problem_names_key_and_line(text: str, key: str, line: int, problem: str) -> None:
    data, line_of = read_yaml(text)
    with pytest.raises(ValidationError) as caught:
        Policy.model_validate(data)
    found = first_problem(caught.value, line_of)
    assert (found.key, found.line) == (key, line)
    assert problem in found.text
    assert "canary" not in found.text


def test_did_you_mean() -> None:
    assert did_you_mean("age_clam", ["age_claim", "sleep_report"]) == "; did you mean age_claim?"
    assert did_you_mean("zzz", ["age_claim", "sleep_report"]) == ""
