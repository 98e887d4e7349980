"""The check of a configuration: it says what NeMo keeps to itself, and its trial is a real one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from corroborator.cli import app as command
from corroborator.integrations.nemo import check, folder
from corroborator.integrations.nemo.folder import read_folder
from corroborator.resources import resource
from nemo_keys import FILE, content

GOOD = resource("rails_config", "nemo", "config.yml").read_text("utf-8")

Checked = Callable[..., Result]


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    """Return what the command says of a configuration, given its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(yaml: str = GOOD, **files: str) -> Result:
        own = tmp_path / "app"
        own.mkdir(exist_ok=True)
        (own / "config.yml").write_text(yaml, "utf-8")
        for name, text in files.items():
            path = own / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        return CliRunner().invoke(command, ["check", "app"])

    return run


def test_the_configuration_to_copy_is_tried_and_good(checked: Checked, tmp_path: Path) -> None:
    result = checked()
    assert result.exit_code == 0, result.output
    assert "tried: a claim was steered on, its reply checked, the turn recorded" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app"]  # no store was made


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("rails:\n  inputt:", "rails:\n  input:", "rails.inputt: NeMo drops this key without a word; did you mean input?"),
        ("passthru:", "passthrough:", "passthru: NeMo drops this key"),
        ("enable: true", "enabled: true", "rails.output.streaming.enable: NeMo drops this key"),
        ("- corroborator check imput", "- corroborator check input", "no flow 'corroborator check imput'; did you mean corroborator check input?"),
        ("- corroborator check imput", "- corroborator check input", "nothing is looked for and nothing steered"),
        ("- corroborator/rails", "- corroborator/integrations/nemo/rails", "our rails do not run"),
        ("profile: genral", "profile: general", "custom_data.corroborator: profile: must be one of"),
        ("  corroborate:", "  corroborator:", "custom_data.corroborate is not ours; did you mean corroborator?"),
    ],
)  # fmt: skip
def test_what_nemo_would_not_say(checked: Checked, wrong: str, right: str, said: str) -> None:
    assert right in GOOD
    result = checked(GOOD.replace(right, wrong))
    assert result.exit_code == 1
    assert said in result.stdout
    assert "app/config.yml:" in result.stdout
    assert "tried:" not in result.stdout


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (GOOD.replace("custom_data:", "corroborator: {profile: clinical}\ncustom_data:"), "our settings stand under custom_data.corroborator"),
        (GOOD + "\npassthrough: false\n", "passthrough: stands twice"),
        (GOOD.replace("      - corroborator check output", "      - regex check output"), "no reply is checked before it is sent"),
        (GOOD.replace("passthrough: true", "prompts: [{task: general, content: Say it.}]"), "the prompt of general has no {{ general_instructions }}"),
    ],
)  # fmt: skip
def test_what_else_goes_wrong_without_a_word(checked: Checked, yaml: str, said: str) -> None:
    result = checked(yaml)
    assert result.exit_code == 1
    assert said in result.stdout


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (GOOD.replace("      enabled: true", "      chunk_size: 200"), "stream_async and streamed HTTP replies fail"),
        (GOOD.replace("      stream_first: false", "      chunk_size: 200"), "set stream_first: false"),
        (GOOD.replace("passthrough: true", "passthrough: true\ninstructions: [{type: general, content: Hi.}]"), "these are not used"),
        (GOOD.replace("  output:", "  retrieval: {flows: [corroborator ground]}\n  output:"), "has nothing to read"),
    ],
)  # fmt: skip
def test_warnings_do_not_fail(checked: Checked, yaml: str, said: str) -> None:
    result = checked(yaml)
    assert said in result.stdout
    assert result.exit_code == 0, result.output


def test_two_files_with_the_same_section(checked: Checked) -> None:
    result = checked(more_yml="rails: {input: {flows: []}}\n")
    assert result.exit_code == 1
    assert "rails: also stands in config.yml; NeMo keeps that of one file only" in result.stdout


def test_a_policy_file_and_its_texts_may_lie_beside(checked: Checked) -> None:
    def starter(*parts: str) -> str:
        return resource("rails_config", *parts).read_text("utf-8")

    own = GOOD.partition("custom_data:")[0] + "custom_data: {corroborator: {policy: rails.yml}}\n"
    texts = {f"texts__{name}_yml": starter(f"{name}.yml") for name in ("steering", "replacements")}
    result = checked(own, rails_yml=starter("init", "rails.yml"), **texts)
    assert result.exit_code == 0, result.output
    assert "tried: a claim was steered on" in result.stdout


def test_flows_of_the_app_and_of_nemo_are_known(checked: Checked) -> None:
    own = GOOD.replace(
        "      - corroborator check input",
        "      - corroborator check input\n      - my own rail\n      - self check facts",
    )
    result = checked(own, own_co="define subflow my own rail\n  pass\n")
    assert "no flow" not in result.stdout


def test_a_trial_finds_what_reading_does_not(checked: Checked) -> None:
    own = 'define subflow corroborator check output\n  $nothing = "is checked"\n'
    result = checked(own_co=own)
    assert result.exit_code == 0, result.output  # ours come first, so that this cannot happen
    broken = checked(GOOD.replace("engine: corroborator-demo", "engine: openai"), config_py="1 / 0")
    assert "NeMo cannot run this" in broken.stdout
    assert broken.exit_code == 1


def test_examples_that_need_a_download_are_not_tried(checked: Checked) -> None:
    without = GOOD.replace("  - {type: embeddings, engine: corroborator, model: builtin}\n", "")
    result = checked(without, own_co='define user greet\n  "hello"\n')
    assert result.exit_code == 0, result.output
    assert "not tried: its examples or documents need a model that NeMo downloads" in result.stdout


def test_a_policy_that_observes_is_no_fault(checked: Checked) -> None:
    result = checked(GOOD.replace("profile: general", "profile: observe"))
    assert result.exit_code == 0, result.output
    assert "the policy steers on nothing" in result.stdout


def test_colang_2(checked: Checked) -> None:
    flows = "import core\nimport guardrails\nimport corroborator.integrations.nemo.rails\n"
    result = checked('colang_version: "2.x"\nmodels: []\n', main_co=flows)
    assert "guidance goes into the user's message" in result.stdout


def test_an_editable_installation_needs_a_path(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLANGPATH")
    result = checked()
    assert result.exit_code == 1
    assert 'export COLANGPATH="$(corroborator nemo path)"' in result.stdout


def test_a_folder_in_the_way_is_found(checked: Checked, tmp_path: Path) -> None:
    (tmp_path / check.RAILS).mkdir(parents=True)
    result = checked()
    assert result.exit_code == 1
    assert "is taken in place of ours" in result.stdout


def test_it_works_without_nemo(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (folder, __import__("importlib.util").util):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    result = checked(
        GOOD.replace(
            "- corroborator check output", "- corroborator check output\n      - regex check output"
        )
    )
    assert result.exit_code == 0, result.output
    assert "known only where NeMo is installed" in result.stdout
    assert "not tried: NeMo is not installed" in result.stdout


@pytest.mark.parametrize("text", ["a: [", "- a list", "\x00"])
def test_what_is_no_configuration_is_one_line(checked: Checked, text: str) -> None:
    result = checked(text)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: app/config.yml")


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["check", str(tmp_path)])
    assert result.exit_code == 2
    assert "holds no config.yml" in result.stderr


def test_init_writes_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(command, ["nemo", "init", "my-app"])
    assert first.exit_code == 0
    assert "written my-app/config.yml" in first.stdout
    assert (tmp_path / "my-app" / "config.yml").read_text("utf-8") == GOOD
    again = CliRunner().invoke(command, ["nemo", "init", "my-app"])
    assert "kept    my-app/config.yml" in again.stdout
    assert read_folder(tmp_path / "my-app").colang == "1.0"


def test_the_known_keys_are_those_of_the_nemo_that_is_tested() -> None:
    assert FILE.read_text("utf-8") == content(), "run .venv-nemo/bin/python tools/nemo_keys.py"
