"""People may read these texts about themselves: some words must not stand in any of them."""

import re
from pathlib import Path

import pytest

from corroborator.resources import resource_path
from corroborator.taxonomy import load_taxonomy
from corroborator.texts import load_texts
from corroborator.yaml_file import read_yaml

AVOID = read_yaml(Path(__file__).parent / "data" / "words_to_avoid.yml").data


def pattern(words: list[str]) -> re.Pattern[str]:
    parts = (re.escape(word).replace(r"\*", r"\w*") for word in words)
    return re.compile(rf"\b(?:{'|'.join(parts)})\b", re.IGNORECASE)


def taxonomy_texts() -> dict[str, str]:
    taxonomy = load_taxonomy()
    texts = {}
    for row in (*taxonomy.domains.values(), *taxonomy.protected.values()):
        said = row.model_dump(mode="json", exclude={"seed", "evidence"})
        texts[row.id] = f"{said} {[evidence.claim for evidence in row.evidence]}"
    for code in taxonomy.codes.values():
        texts[code.code] = f"{code.name}. {code.description}"
    return texts


def spoken_texts() -> dict[str, str]:
    texts = load_texts()
    steering, replacements, revision = texts.steering, texts.replacements, texts.revision
    said = {f"shared {key}": text for key, text in steering.shared.model_dump().items()}
    for key, row in (*steering.domains.items(), *steering.protected.items()):
        said[f"steering {key}"] = f"{row.guidance} {row.brief}"
    for key, reply in (*replacements.domains.items(), *replacements.protected.items()):
        said[f"replacement {key}"] = reply.text
    for key, text in (*revision.domains.items(), *revision.codes.items()):
        said[f"revision {key}"] = text
    return {**said, "default": replacements.default.text}


EVERYTHING = {**taxonomy_texts(), **spoken_texts()}


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_text_labels_the_person(name: str) -> None:
    assert not pattern(AVOID["labels"]).findall(EVERYTHING[name])


def test_no_id_labels_the_person() -> None:
    taxonomy = load_taxonomy()
    for name in (*taxonomy.domains, *taxonomy.protected):
        assert not pattern(AVOID["labels"]).findall(name.replace("_", " "))


@pytest.mark.parametrize("name", spoken_texts())
def test_no_text_doubts_the_person(name: str) -> None:
    assert not pattern(AVOID["doubt"]).findall(EVERYTHING[name])


@pytest.mark.parametrize("name", EVERYTHING)
def test_spelling_is_british_neutral(name: str) -> None:
    assert not pattern(AVOID["spelling"]).findall(EVERYTHING[name])


@pytest.mark.parametrize("domain", load_taxonomy().domains)
def test_no_text_states_the_premise(domain: str) -> None:
    premise = pattern(AVOID["premise"][domain])
    said = spoken_texts()
    assert not premise.findall(said[f"replacement {domain}"])
    assert not premise.findall(said[f"steering {domain}"])


@pytest.mark.parametrize(
    "file", ["taxonomy.yml", "steering.yml", "replacements.yml", "resources.yml"]
)
def test_files_hold_no_odd_characters(file: str) -> None:
    text = resource_path("rails_config", file).read_text(encoding="utf-8")
    assert not re.findall(r"[\u2014\u2018\u2019\u201c\u201d\u200b\t]", text)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_word_lists_catch_what_they_are_for() -> None:
    labels, doubt = pattern(AVOID["labels"]), pattern(AVOID["doubt"])
    assert labels.search("This sounds Delusional to me")
    assert labels.search("they lie about it")
    assert not labels.search("relying on a believable clientele")
    assert doubt.search("Are you sure?")
    assert pattern(AVOID["premise"]["surveillance_claim"]).search("the people following you")
