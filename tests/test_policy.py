import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corroborator import load_policy, parse_policy
from corroborator.errors import ConfigError
from corroborator.policy import PROFILES, Policy, parse_duration, profile_policy
from tiny_world import CANARY, DOMAINS, PROTECTED, everything_told

MISTAKES = [
    ("profil: clinical", 1, "profil: this key is not known; did you mean profile?"),
    ("zzzzzz: 1", 1, "zzzzzz: this key is not known; known are profile, domains"),
    ("\n\nprofile: clincal", 3, "profile: must be one of general, clinical, observe; did you mean clinical?"),
    ("profile: [general]", 1, "profile: must be one of"),
    ("profile:", 1, "profile: must be one of"),
    ("profile: general\nprofile: observe", 2, "profile stands here a second time"),
    ("just words", 1, "a policy is a mapping of settings, such as `profile: clinical`"),
    ("- profile: general", 1, "a policy is a mapping"),
    ("domains: []", 1, "domains: this must be a mapping"),
    ("domains:", 1, "domains: this must be a mapping"),
    ("domains:\n  age_claim: steer", 2, "domains.age_claim: this must be a mapping"),
    ("domains:\n  age_claim:", 2, "domains.age_claim: this must be a mapping"),
    ("domains:\n  age_clam: {mode: steer}", 2, "domains.age_clam: unknown name; did you mean age_claim?"),
    ("domains:\n  zzz: {mode: steer}", 2, "domains.zzz: unknown name; known are risk_retracted"),
    ("domains:\n  risk_disclosure: {mode: off}", 2, "domains.risk_disclosure: unknown name"),
    ("domains:\n  age_claim:\n    mode: stear", 3, "mode: Input should be 'off', 'observe' or 'steer'"),
    ("domains:\n  age_claim:\n    mode: on", 3, "mode: Input should be"),
    ("domains:\n  age_claim:\n    mod: steer", 3, "mod: this key is not known; did you mean mode?"),
    ("domains: {age_claim: {threshold: 1}}", 1, "threshold: Input should be less than 1"),
    ("domains: {age_claim: {threshold: 0}}", 1, "threshold: Input should be greater than 0"),
    ("domains: {age_claim: {threshold: .nan}}", 1, "threshold: Input should be"),
    ("domains: {age_claim: {threshold: true}}", 1, "threshold: Input should be"),
    ("domains: {age_claim: {threshold: high}}", 1, "threshold: Input should be a valid number"),
    ("protected: {risk_disclosure: {mode: off}}", 1, "risk_disclosure: is always on; only its threshold can be set"),
    ("protected: {risk_disclosure: off}", 1, "protected.risk_disclosure: this must be a mapping"),
    ("protected: off", 1, "protected: this must be a mapping"),
    ("protected: {risk_disclosure: {}}", 1, "threshold: this key is missing"),
    ("protected: {risk_discloser: {threshold: 0.5}}", 1, "did you mean risk_disclosure?"),
    ("protected: {age_claim: {threshold: 0.5}}", 1, "protected.age_claim: unknown name"),
    ("reply:\n  on_collision: revise", 2, "on_collision: this key is not known; did you mean on_collusion?"),
    ("reply: {on_overcorrection: replace}", 1, "on_overcorrection: Input should be 'release' or 'revise'"),
    ("reply:\n  attempts: 0", 1, "reply: revise needs attempts of at least 1; or use replace or release"),
    ("reply: {attempts: 6}", 1, "attempts: Input should be less than or equal to 5"),
    ("reply: {attempts: 2.5}", 1, "attempts: Input should be a valid integer"),
    ("reply: {stream: hold}", 1, "stream: Input should be 'hold_never', 'hold_on_finding' or 'hold_always'"),
    ("steering: {repeat_after: 0}", 1, "repeat_after: Input should be greater"),
    ("risk_hold: {turns: 0}", 1, "turns: Input should be greater"),
    ("risk_hold: 20", 1, "risk_hold: this must be a mapping"),
    ("audit: {stor: x}", 1, "stor: this key is not known; did you mean store?"),
    ("audit: {store: 'mysql://x/y'}", 1, "store must look like sqlite:///corroborator.db"),
    ("audit: {store: null, content: sealed}", 1, "content: sealed needs a store"),
    ("audit: {content: seled}", 1, "content: Input should be 'none' or 'sealed'"),
    ("audit: {on_error: ignore}", 1, "on_error: Input should be 'release' or 'block'"),
    ("audit: {retention: 30 days}", 1, "retention: write a duration as 36h, 30d or 8w"),
    ("audit: {retention: 0d}", 1, "retention: write a duration"),
    ("audit: {retention: 30}", 1, "retention: write a duration"),
    ("audit: {retention: 2026-11-01}", 1, "retention: Input should be a valid timedelta"),
    ("region: UK", 1, "region: the ISO code of the United Kingdom is GB"),
    ("region: gb", 1, "region: String should match pattern"),
    ("encoder: bulitin", 1, "encoder: write builtin, or sentence-transformers:<name or path>"),
    ("encoder: 'sentence-transformers:'", 1, "encoder: write builtin"),
    ("encoder: 5", 1, "encoder: Input should be a valid string"),
    ("model: 5", 1, "model: Input is not a valid path"),
    ("exemplars: {a: b}", 1, "exemplars: Input is not a valid path"),
    ("textes: x", 1, "textes: this key is not known; did you mean texts?"),
    ("domains: {", 2, ""),
    ("a: &x 1", 1, "anchors"),
    ("\tdomains: 1", 1, ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "problem"), MISTAKES)
def test_every_mistake_is_named_with_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = tmp_path / "rails.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_policy(path)
    assert (str(caught.value.file), caught.value.line) == (str(path), line)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert problem in str(caught.value)
    with pytest.raises(ConfigError) as again:
        parse_policy(text)
    assert str(again.value).startswith(f"<text>:{line}: ")


def test_a_value_is_never_quoted() -> None:
    for text in (
        f"audit: {{store: {CANARY}}}",
        f"domains: {{age_claim: {{mode: {CANARY}}}}}",
        f"region: {CANARY}",
        f"encoder: {CANARY}",
        f"reply: {CANARY}",
    ):
        with pytest.raises(ConfigError) as caught:
            parse_policy(text)
        assert CANARY not in everything_told(caught.value)


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_policy(tmp_path / "rails.yml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_a_policy_or_refused_with_its_place(text: str) -> None:
    try:
        policy = parse_policy(text)
    except ConfigError as error:
        assert error.file == "<text>"  # noqa: PT017 - the text may just as well be right
    else:
        assert policy == load_policy()


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["", "reply", "audit", "steering", "risk_hold", "domains.age_claim"]),
    st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
)
def test_no_key_is_ignored(section: str, key: str) -> None:
    known = json.dumps(Policy.model_json_schema())
    if f'"{key}"' in known:
        return
    lines = [
        f"{'  ' * depth}{part}:" for depth, part in enumerate(filter(None, section.split(".")))
    ]
    lines.append(f"{'  ' * len(lines)}{key}: 1")
    with pytest.raises(ConfigError, match="not known"):
        parse_policy("\n".join(lines))


# --- what is right ---


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_is_whole(profile: str) -> None:
    policy = profile_policy(profile)
    assert policy.profile == profile
    assert set(policy.domains) == set(DOMAINS)
    assert {d.mode for d in policy.domains.values()} == (
        {"observe"} if profile == "observe" else {"steer"}
    )


def test_without_a_file_the_general_profile_holds() -> None:
    assert (
        load_policy() == parse_policy("") == parse_policy("# nothing") == profile_policy("general")
    )
    assert load_policy().audit.content == "none"  # the default of the library


def test_a_few_lines_go_over_the_profile() -> None:
    policy = parse_policy(
        """
        profile: clinical
        domains: {age_claim: {mode: off}, sleep_report: {threshold: 0.25}}
        protected: {risk_disclosure: {threshold: 0.2}}
        reply: {attempts: 1}
        audit: {retention: 8w}
        region: "NO"
        """
    )
    clinical = profile_policy("clinical")
    assert (policy.mode("age_claim"), policy.mode("sleep_report")) == ("off", "steer")
    assert policy.domains["sleep_report"].threshold == 0.25
    assert policy.protected["risk_disclosure"].threshold == 0.2
    assert set(policy.protected) <= set(PROTECTED)
    assert policy.reply == clinical.reply.model_copy(update={"attempts": 1})
    assert policy.audit.retention == timedelta(weeks=8)
    assert policy.audit.content == "sealed"
    assert policy.region == "NO"
    assert parse_policy("region: NO").region == "NO"  # no truth value


@pytest.mark.parametrize(
    "encoder", ["builtin", "sentence-transformers:a/b", "sentence-transformers:/m"]
)
def test_encoders_are_named_by_their_kind(encoder: str) -> None:
    assert parse_policy(f"encoder: {encoder}").encoder == encoder


def test_without_retention_nothing_is_erased() -> None:
    assert parse_policy("profile: clinical\naudit: {retention: null}").audit.retention is None


def test_off_and_the_like_stay_words() -> None:
    assert parse_policy("domains: {age_claim: {mode: off}}").mode("age_claim") == "off"


@pytest.mark.parametrize(
    ("text", "hours"), [("36h", 36), ("30d", 720), ("8w", 1344), ("99999w", 99999 * 168)]
)
def test_durations(text: str, hours: int) -> None:
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "h", "0h", "00d", "1m", "1.5h", "-1d", "1h ", "100000h", "1H"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="36h, 30d or 8w"):
        parse_duration(text)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rails.yml"
    path.write_text("model: m\nexemplars: ../e\ntexts: /t\n", "utf-8")
    policy = load_policy(str(path))
    assert policy.model == tmp_path / "m"
    assert policy.exemplars == tmp_path / "../e"
    assert policy.texts == Path("/t")
    assert parse_policy("model: m").model == Path("m")


def test_the_hash_tells_policies_apart() -> None:
    texts = [
        "",
        "profile: observe",
        "domains: {age_claim: {mode: off}}",
        "domains: {age_claim: {threshold: 0.4}}",
        "protected: {risk_disclosure: {threshold: 0.4}}",
        "risk_hold: {turns: 3}",
        "region: GB",
        "texts: mine",
    ]
    hashes = [parse_policy(text).hash for text in texts]
    assert len(set(hashes)) == len(texts)
    assert parse_policy("  # another way to write it\nrisk_hold:\n  turns: 3").hash == hashes[5]


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_policy().profile = "observe"  # type: ignore[misc]
