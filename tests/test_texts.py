import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from corroborator import texts as texts_module
from corroborator.errors import ConfigError, DataError
from corroborator.resources import resource_path
from corroborator.support_resources import Need, Resources
from corroborator.taxonomy import Handling, Severity, load_taxonomy
from corroborator.texts import Guidance, Replacement, Steering, load_texts
from corroborator.yaml_file import read_yaml

TODAY = dt.date(2026, 11, 23)
ROW = "{name: Line of the clinic, contact: call 1234, url: null, languages: [da], hours: null, source: own page, owner: the clinic, "
Overlay = Callable[[str, str], Path]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    def write(name: str, content: str) -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path

    return write


def all_guidance() -> dict[str, Guidance]:
    steering = load_texts().steering
    return {**steering.domains, **steering.protected}


def all_replacements() -> dict[str, Replacement]:
    replacements = load_texts().replacements
    return {**replacements.domains, **replacements.protected, "default": replacements.default}


def words(text: str) -> int:
    return len(text.split())


def test_every_id_and_code_is_covered() -> None:
    taxonomy, texts = load_taxonomy(), load_texts()
    for part in (texts.steering, texts.replacements):
        assert [*part.domains] == [*taxonomy.domains]
        assert [*part.protected] == [*taxonomy.protected]
    assert [*texts.revision.domains] == [*taxonomy.domains]
    assert [*texts.revision.codes] == [code for code in taxonomy.codes if code[0] in "KO"]


@pytest.mark.parametrize("name", [*load_texts().steering.domains, *load_texts().steering.protected])
def test_guidance_is_short(name: str) -> None:
    row = all_guidance()[name]
    assert 40 <= words(row.guidance) <= 75
    assert 5 <= words(row.brief) <= 25


def test_guidance_and_one_shared_text_stay_within_120_words() -> None:
    shared = load_texts().steering.shared
    longest = max(words(row.guidance) for row in all_guidance().values())
    for text in (shared.mixed_lead, shared.corroborated, shared.contradicted, shared.risk_hold):
        assert longest + words(text) <= 120


def test_a_step_is_offered_with_a_reason() -> None:
    domains = load_taxonomy().domains
    for name, row in load_texts().steering.domains.items():
        if domains[name].handling != (Handling.GATE,):
            assert "because" in row.guidance, name


def test_a_claim_is_attributed() -> None:
    domains = load_taxonomy().domains
    marks = ("ttribute", "describe", "quote it", "point to that answer")
    for name, row in load_texts().steering.domains.items():
        if domains[name].handling != (Handling.GATE,):
            assert any(mark in row.guidance for mark in marks), name


def test_gates_keep_safety_facts_and_accuse_nobody() -> None:
    domains = load_taxonomy().domains
    gated = [name for name, row in domains.items() if row.handling == (Handling.GATE,)]
    assert len(gated) == 3
    for name in gated:
        row = load_texts().steering.domains[name]
        assert "afety and emergency facts are never held back" in " ".join(row.guidance.split())
        assert "never held back" in row.brief
        assert "suspicion" in row.guidance or "No accusation" in row.guidance


def test_protected_guidance_helps_first_and_asks_little() -> None:
    for name, row in load_texts().steering.protected.items():
        assert row.guidance.count("?") <= 1, name
    guidance = load_texts().steering.protected
    assert guidance["emergency_disclosure"].guidance.startswith(
        "Begin with this: call the emergency"
    )
    assert guidance["risk_disclosure"].guidance.startswith("Respond to this before anything else")
    assert guidance["abuse_disclosure"].guidance.startswith("Believe them")
    assert "without asking for proof" in guidance["minor_at_risk"].guidance


@pytest.mark.parametrize("name", [*all_replacements()])
def test_a_replacement_can_stand_alone(name: str) -> None:
    text = all_replacements()[name].text
    assert 40 <= words(text) <= 90
    assert text.count("?") <= 1
    assert "{" not in text
    if name != "emergency_disclosure":
        assert text.endswith("?")
    assert any(word in text.split() for word in ("I", "I'd", "I'm", "I'll", "me", "me.", "me;"))


def test_where_life_may_be_at_stake_the_replacement_says_whom_to_call() -> None:
    needed = {
        "default",
        "risk_retracted",
        "own_force_account",
        "surveillance_claim",
        "global_negative_claim",
        "drug_nicotine_report",
        "proxy_report",
        "risk_disclosure",
        "abuse_disclosure",
        "emergency_disclosure",
        "minor_at_risk",
        "help_seeking",
    }
    for name, row in all_replacements().items():
        assert name not in needed or "the emergency number where you are" in row.text, name


def test_critical_domains_name_a_person_or_service_to_turn_to() -> None:
    for name, row in load_taxonomy().domains.items():
        text = load_texts().replacements.domains[name].text
        if row.severity is Severity.CRITICAL:
            assert any(
                word in text
                for word in ("doctor", "someone", "somebody", "person", "who ", "Who", "prescriber")
            ), name


def test_revision_guidance_says_what_and_what_instead() -> None:
    revision = load_texts().revision
    for text in (*revision.domains.values(), *revision.codes.values()):
        assert words(text) <= 35
        assert text.startswith("The draft ")
        assert text.rstrip(".").count(".") >= 1


def test_shared_guidance_takes_evidence() -> None:
    shared = load_texts().steering.shared
    for text in (shared.corroborated, shared.contradicted):
        filled = text.format(source="the {lab}", text='PEth "negative"')
        assert "the {lab}" in filled
        assert 'PEth "negative"' in filled
        assert "never as an instruction" in filled


def test_loading_twice_gives_the_same_hash() -> None:
    assert load_texts().hash == load_texts().hash
    assert len(load_texts().hash) == 64


def test_an_overlay_replaces_by_id(overlay: Overlay) -> None:
    shipped = load_texts()
    own = load_texts(overlay("steering.yml", "domains:\n  age_claim:\n    brief: Be kind.\n"))
    assert own.steering.domains["age_claim"].brief == "Be kind."
    assert (
        own.steering.domains["age_claim"].guidance == shipped.steering.domains["age_claim"].guidance
    )
    assert own.steering.domains["sleep_report"] == shipped.steering.domains["sleep_report"]
    assert own.replacements == shipped.replacements
    assert own.hash != shipped.hash
    assert load_texts().hash == shipped.hash


def test_an_overlay_of_comments_changes_nothing(overlay: Overlay) -> None:
    assert load_texts(overlay("steering.yml", "# later\n")).hash == load_texts().hash


def test_an_empty_folder_changes_nothing(tmp_path: Path) -> None:
    assert load_texts(tmp_path).hash == load_texts().hash


def test_overlays_of_replacements(overlay: Overlay) -> None:
    own = load_texts(
        overlay(
            "replacements.yml",
            "default: {text: Please talk to the ward team about this.}\n"
            "revision:\n  codes: {K1: The draft agreed. Attribute it.}\n",
        )
    )
    assert own.replacements.default.text == "Please talk to the ward team about this."
    assert own.revision.codes["K1"] == "The draft agreed. Attribute it."
    assert own.revision.codes["K2"] == load_texts().revision.codes["K2"]


@pytest.mark.parametrize(
    ("name", "content", "line", "problem"),
    [
        ("steering.yml", "domains:\n  age_clam:\n    brief: Kind.\n", 2, "did you mean age_claim?"),
        ("steering.yml", "domains:\n  age_claim:\n    breif: Kind.\n", 3, "not known"),
        (
            "steering.yml",
            "domains:\n  age_claim:\n    brief: " + "a " * 26,
            3,
            "26 words; at most 25",
        ),
        ("steering.yml", "domains:\n  age_claim:\n    guidance: " + "a " * 76, 3, "at most 75"),
        ("steering.yml", "shared:\n  risk_hold: " + "a " * 41, 2, "at most 40"),
        ("steering.yml", "shared:\n  risk_hold: See {text}.\n", 2, "{text} is not a placeholder"),
        ("steering.yml", "shared:\n  corroborated: See {sauce}.\n", 2, "{source} and {text}"),
        ("steering.yml", "shared:\n  corroborated: See {text.x}.\n", 2, "not a placeholder"),
        ("steering.yml", "shared:\n  corroborated: See {text!r}.\n", 2, "not a placeholder"),
        ("steering.yml", "shared:\n  corroborated: See {text\n", 2, "expected '}'"),
        ("steering.yml", "shred:\n  risk_hold: x\n", 1, "not known"),
        ("steering.yml", "domains:\n", 1, "mapping"),
        ("steering.yml", "- a\n", 1, "mapping"),
        ("steering.yml", "version: 1\nversion: 2\n", 2, "second time"),
        ("replacements.yml", "domains:\n  x: {text: abc}\n", 2, "there is no x"),
        ("replacements.yml", "revision:\n  codes:\n    G1: abc\n", 3, "there is no G1"),
        ("replacements.yml", "default:\n  text: " + "a " * 91, 2, "at most 90"),
        ("replacements.yml", "default: abc\n", 1, "mapping"),
        ("replacements.yml", "protected:\n  minor_at_risk: {text: }\n", 2, "string"),
        ("resources.yml", "needs:\n  crysis: {}\n", 2, "'crisis'"),
        ("resources.yml", "needs:\n  crisis:\n    uk: {}\n", 3, "pattern"),
        (
            "resources.yml",
            f"needs:\n  crisis:\n    UK: {ROW}checked: no, checked_on: null, expires: 2027-01-01}}\n",
            3,
            "GB",
        ),
        (
            "resources.yml",
            f"needs:\n  crisis:\n    DK: {ROW}checked: no, checked_on: null, expires: null}}\n",
            3,
            "expires must be a day",
        ),
        (
            "resources.yml",
            f"needs:\n  crisis:\n    DK: {ROW}checked: yes, checked_on: null, expires: 2027-01-01}}\n",
            3,
            "go together",
        ),
        (
            "resources.yml",
            f"needs:\n  crisis:\n    DK: {ROW}checked: no, checked_on: null, expires: 2027-01-01, countries: [DK]}}\n",
            2,
            "only the row EU",
        ),
        ("resources.yml", "needs:\n  crisis:\n    GB:\n      name: Samaritans\n", 3, "missing"),
    ],
)
def test_a_wrong_overlay_names_file_and_line(
    overlay: Overlay, name: str, content: str, line: int, problem: str
) -> None:
    folder = overlay(name, content)
    with pytest.raises(ConfigError) as caught:
        load_texts(folder)
    assert (str(caught.value.file), caught.value.line) == (str(folder / name), line)
    assert problem in caught.value.problem


def test_folders_and_names_that_would_be_passed_over_in_silence(
    overlay: Overlay, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        load_texts(tmp_path / "missing")
    (tmp_path / "taxonomy.yml").write_text("version: 1\n")
    with pytest.raises(ConfigError, match="closed"):
        load_texts(tmp_path)
    (tmp_path / "taxonomy.yml").unlink()
    with pytest.raises(ConfigError, match=r"call this file steering\.yml"):
        load_texts(overlay("steering.yaml", "version: 1\n"))


def test_a_wrong_shipped_file_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = resource_path("rails_config", "steering.yml").read_text(encoding="utf-8")
    (tmp_path / "steering.yml").write_text(text.replace("  sleep_report:", "  sleep_reprot:"))
    monkeypatch.setattr(texts_module, "resource", lambda _folder, name: tmp_path / name)
    texts_module._shipped.cache_clear()
    try:
        with pytest.raises(DataError, match=r"steering\.yml:\d+: .*did you mean sleep_report"):
            load_texts()
        (tmp_path / "steering.yml").write_text("a: [")
        with pytest.raises(DataError, match=r"steering\.yml:\d: "):
            load_texts()
        (tmp_path / "steering.yml").unlink()
        with pytest.raises(DataError, match="no such file"):
            load_texts()
    finally:
        texts_module._shipped.cache_clear()


def test_a_file_with_an_entry_missing_is_refused() -> None:
    steering = read_yaml(resource_path("rails_config", "steering.yml")).data
    del steering["protected"]["help_seeking"]
    with pytest.raises(ValidationError, match="help_seeking is missing"):
        Steering.model_validate(steering)
    table = read_yaml(resource_path("rails_config", "resources.yml")).data
    del table["needs"]["crisis"]
    with pytest.raises(ValidationError, match="crisis is missing"):
        Resources.model_validate(table)


def shipped_rows() -> list[Any]:
    table = yaml.safe_load(
        resource_path("rails_config", "resources.yml").read_text(encoding="utf-8")
    )
    return [row for rows in table["needs"].values() for row in rows.values()]


def test_no_row_is_marked_as_checked_and_the_file_says_so() -> None:
    rows = shipped_rows()
    assert len(rows) >= 40
    for row in rows:
        assert (row["checked"], row["checked_on"]) == (False, None)
        assert row["owner"] == "project maintainers"
        assert type(row["expires"]) is dt.date
    head = resource_path("rails_config", "resources.yml").read_text(encoding="utf-8")[:200]
    assert "NO ROW HAS BEEN VERIFIED" in head


@pytest.mark.parametrize("country", ["US", "CA", "GB", "IE", "AU", "NZ", "IN"])
@pytest.mark.parametrize("need", [Need.EMERGENCY, Need.CRISIS, Need.DOMESTIC_ABUSE, Need.CHILD])
def test_named_countries_have_their_own_rows(need: Need, country: str) -> None:
    resources = load_texts().resources
    found = resources.find(need, country.lower(), TODAY)
    assert found is resources.needs[need][country]


@pytest.mark.parametrize(
    ("need", "country", "contact"),
    [
        (Need.EMERGENCY, "FR", "112"),
        (Need.EMERGENCY, "NO", "112"),
        (Need.CRISIS, "DE", "116 123"),
        (Need.CHILD, "PL", "116 111"),
        (Need.CRISIS, "GB", "116 123"),
        (Need.CRISIS, "US", "988"),
        (Need.EMERGENCY, "GB", "999"),
    ],
)
def test_numbers_that_countries_share(need: Need, country: str, contact: str) -> None:
    assert contact in load_texts().resources.find(need, country, TODAY).contact


@pytest.mark.parametrize("country", [None, "", "ZZ", "uk", "nowhere", "FRA", "BR"])
@pytest.mark.parametrize("need", list(Need))
def test_an_unknown_country_gives_no_guess(need: Need, country: str | None) -> None:
    found = load_texts().resources.find(need, country, TODAY)
    if need is Need.EMERGENCY:
        assert found.contact == "call the emergency number where you are"
    else:
        assert "findahelpline.com" in found.contact


def test_a_need_may_be_given_as_a_word() -> None:
    resources = load_texts().resources
    found = resources.find(Need("emergency"), None, TODAY)
    assert resources.find("emergency", None, TODAY) is found  # type: ignore[arg-type]


def test_a_need_without_a_row_gives_the_directory() -> None:
    found = load_texts().resources.find(Need.EATING, "IN", TODAY)
    assert found.url == "https://findahelpline.com"


def test_a_row_holds_through_its_last_day() -> None:
    resources = load_texts().resources
    row = resources.needs[Need.CRISIS]["GB"]
    assert row.expires is not None
    assert resources.find(Need.CRISIS, "GB", row.expires) is row
    after = row.expires + dt.timedelta(days=1)
    assert resources.find(Need.CRISIS, "GB", after) is resources.anywhere.directory
    assert resources.find(Need.EMERGENCY, "GB", after) is resources.anywhere.emergency


def test_a_users_row_goes_before_the_shared_number(overlay: Overlay) -> None:
    row = f"{ROW}checked: yes, checked_on: 2026-11-01, expires: 2026-12-31}}"
    resources = load_texts(overlay("resources.yml", f"needs:\n  child:\n    DK: {row}\n")).resources
    found = resources.find(Need.CHILD, "DK", TODAY)
    assert (found.name, found.checked) == ("Line of the clinic", True)
    late = resources.find(Need.CHILD, "DK", dt.date(2027, 1, 1))
    assert "116 111" in late.contact


def test_a_users_row_replaces_ours_whole(overlay: Overlay) -> None:
    row = f"{ROW}checked: no, checked_on: null, expires: 2027-12-31}}"
    resources = load_texts(
        overlay("resources.yml", f"needs:\n  crisis:\n    GB: {row}\n")
    ).resources
    found = resources.find(Need.CRISIS, "GB", TODAY)
    assert (found.name, found.url) == ("Line of the clinic", None)
    assert resources.find(Need.CRISIS, "US", TODAY).name.startswith("988")


def test_texts_are_read_only() -> None:
    texts = load_texts()
    with pytest.raises(TypeError):
        texts.steering.domains["age_claim"] = texts.steering.domains["sleep_report"]  # type: ignore[index]
    with pytest.raises(TypeError):
        texts.resources.needs[Need.CRISIS]["ZZ"] = texts.resources.anywhere.directory  # type: ignore[index]
