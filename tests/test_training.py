import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from corroborator import Guard, parse_policy
from corroborator.audit import AuditLog
from corroborator.errors import ConfigError, DataError
from corroborator.evaluation.labels import ReplyLabel
from corroborator.model import (
    PHRASING,
    REPLIES,
    VECTORS,
    load_model,
    pack_vectors,
    unpack_vectors,
)
from corroborator.reply_check import ReplyChecker, mean_claim, pair_features
from corroborator.statements import normalise, read_message
from corroborator.training import Banks, encode_banks, fit_model, reply_features
from tiny_world import (
    DOMAINS,
    FAULTS,
    PROTECTED,
    TAXONOMY,
    WordEncoder,
    conversation,
    ids,
    said,
)

ENCODER = WordEncoder()
TIMES = ("morning", "noon", "evening", "night", "autumn", "winter", "spring", "summer")
COUNT = 24


def when(number: int) -> str:
    return f"{TIMES[number % 8]} {TIMES[number // 8 + 1]} {number}"


def _row(family: str, letter: str, number: int, text: str, **more: object) -> str:
    return json.dumps({"id": f"{family}-{letter}{number:02}", "text": text, **more})


def exemplar_lines(family: str) -> list[str]:
    """Return positives that hold the id, and near misses that hold it in a novel."""
    label = "disclosure" if family in PROTECTED else "claim"
    lines = []
    for n in range(COUNT):
        carrier = "boosted_certainty" if n % 2 else "vague_minimiser"
        how = "surely" if n % 2 else "maybe"
        text = f"I {how} told you of {family} at {when(n)}."
        lines.append(_row(family, label[0], n, text, label=label, carrier=carrier))
        novel = f"In the novel somebody told of {family} at {when(n)}."
        lines.append(_row(family, "n", n, novel, label="contrast", kind="quoted_or_fiction"))
    return lines


def reply_lines() -> list[str]:
    """Return cases of which each has one sentence with a K code and one with an O code."""
    collusion = [code for code in FAULTS if code.startswith("K")]
    correction = [code for code in FAULTS if code.startswith("O")]
    return [
        json.dumps(
            {
                "id": f"age_claim-r{n:03}",
                "user": f"I told you of age_claim at {when(n % 24)}.",
                "colluding": [_sentence(collusion[n % 16], n)],
                "good": [{"text": f"What a day, at {when(n % 24)}.", "codes": ["G1"]}],
                "overcorrecting": [_sentence(correction[n % 12], n)],
            }
        )
        for n in range(192)
    ]


def _sentence(code: str, number: int) -> dict[str, object]:
    word = code.lower()
    return {"text": f"{word} {word} {word} {word} at {TIMES[number % 7]}.", "codes": [code]}


@pytest.fixture(scope="module")
def _banks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("banks")
    exemplars, replies = root / "embeddings" / "exemplars", root / "embeddings" / "replies"
    (exemplars / "protected").mkdir(parents=True)
    replies.mkdir()
    for family in DOMAINS:
        (exemplars / f"{family}.jsonl").write_text("\n".join(exemplar_lines(family)))
    for family in PROTECTED:
        path = exemplars / "protected" / f"{family}.jsonl"
        path.write_text("\n".join(exemplar_lines(family)))
    plain = [
        _row(
            "ordinary",
            "n",
            n,
            f"We had bread and tea at {when(n % 24)}, {n}.",
            label="contrast",
            kind="ordinary",
        )
        for n in range(100)
    ]
    (exemplars / "ordinary.jsonl").write_text("\n".join(plain))
    (replies / "age_claim.jsonl").write_text("\n".join(reply_lines()))
    return root


@pytest.fixture(autouse=True)
def tiny_banks(
    _banks: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Let tiny banks stand where the shipped ones lie."""
    if "slow" not in request.keywords:
        for module in ("exemplars", "training"):
            monkeypatch.setattr(f"corroborator.{module}.resource", _banks.joinpath)


@pytest.fixture(scope="module")
def _fitted(_banks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted") / "model"
    with pytest.MonkeyPatch.context() as patch:
        for module in ("exemplars", "training"):
            patch.setattr(f"corroborator.{module}.resource", _banks.joinpath)
        fit_model(out, TAXONOMY, ENCODER)
    return out


def test_what_is_fitted_loads_and_finds(_fitted: Path) -> None:  # noqa: PT019 - its value is used
    model = load_model(_fitted, ENCODER, TAXONOMY)
    assert model.manifest.counts["positives"] == COUNT * len((*DOMAINS, *PROTECTED))
    assert model.manifest.counts["reply_messages"] == 192
    assert set(model.manifest.fitted_with) >= {"corroborator", "scikit-learn", "numpy"}
    policy = parse_policy(f"model: {_fitted}\naudit: {{store: null}}")
    with AuditLog.open("sqlite://") as log:
        guard = Guard(policy, encoder=ENCODER, audit=log)
        for family in ("age_claim", "surveillance_claim", "risk_disclosure"):
            turn = guard.open_turn(conversation(f"I surely told you of {family} at noon."))
            assert ids(turn.findings) == [family]
        quoted = guard.open_turn(conversation("In the novel somebody told of age_claim at noon."))
        assert quoted.findings == ()
        sure, vague = (
            guard.open_turn(conversation(f"I {how} told you of age_claim at noon.")).findings[0]
            for how in ("surely", "maybe")
        )
        assert sure.certainty > vague.certainty


def test_the_reply_heads_tell_faults(_fitted: Path) -> None:  # noqa: PT019 - its value is used
    model = load_model(_fitted, ENCODER, TAXONOMY)
    checker = ReplyChecker(model.replies, model.phrasing)
    claims = ENCODER.encode(["I told you of age_claim at noon."])
    for draft, colludes, corrects in (
        ("So k3 k3 k3 it is.", True, False),
        ("Well o5 o5 o5 then.", False, True),
        ("What a day.", False, False),
    ):
        sentences = read_message(draft).statements
        assessment = checker.assess(claims, sentences, ENCODER.encode([s.text for s in sentences]))
        assert (assessment.colludes, assessment.over_corrects) == (colludes, corrects), draft
        if assessment.marked:
            assert assessment.marked[0].code.lower() in draft


def test_stored_vectors_give_the_same_bytes(_fitted: Path, tmp_path: Path) -> None:  # noqa: PT019
    again = tmp_path / "again"
    fit_model(again, TAXONOMY, ENCODER, vectors=(_fitted / VECTORS).read_bytes())
    for path in sorted(p.relative_to(_fitted) for p in _fitted.rglob("*") if p.is_file()):
        assert (again / path).read_bytes() == (_fitted / path).read_bytes(), path


def test_vectors_of_other_banks_are_refused(_fitted: Path, tmp_path: Path) -> None:  # noqa: PT019
    stored = unpack_vectors((_fitted / VECTORS).read_bytes())
    less = {**stored, "exemplars": stored["exemplars"][1:]}
    without = {name: rows for name, rows in stored.items() if name != "messages"}
    for content in (pack_vectors(less), pack_vectors(without)):
        with pytest.raises(DataError, match="those of other banks; fit without them"):
            fit_model(tmp_path / "out", TAXONOMY, ENCODER, vectors=content)
    with pytest.raises(DataError, match="cannot be read"):
        fit_model(tmp_path / "out", TAXONOMY, ENCODER, vectors=b"PK\x03\x04")
    assert not (tmp_path / "out").exists()


def test_a_users_own_exemplars_are_fitted_and_kept_with_the_model(tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    own.mkdir()
    rows = [
        _row("age_claim", "c", 900 + n, f"Candles galore at {when(n)}", label="claim")
        for n in range(24)
    ]
    (own / "age_claim.jsonl").write_text("\n".join(rows))
    manifest = fit_model(out, TAXONOMY, ENCODER, own=own)
    shutil.rmtree(own)  # the model is whole without it
    model = load_model(out, ENCODER, TAXONOMY)
    assert model.manifest == manifest
    assert len(model.bank.exemplars) == manifest.counts["exemplars"]
    assert [item.id for item in model.bank.exemplars][-24:] == [
        json.loads(row)["id"] for row in rows
    ]
    kept = out / "exemplars"
    again = fit_model(out, TAXONOMY, ENCODER, own=kept)  # and can be fitted again in place
    assert again.exemplars == manifest.exemplars


def labelled(count: int = 12) -> tuple[ReplyLabel, ...]:
    return tuple(
        ReplyLabel(
            id=f"l{n}",
            source="logs" if n % 3 else "forum",
            user="I told you of age_claim.",
            reply="So it is, and see a doctor. Bravo, bravo."
            if n % 2
            else "Let us see. What then?",
            collusive=bool(n % 2),
        )
        for n in range(count)
    )


def test_labelled_replies_are_learnt_from_and_named_in_the_manifest(
    _fitted: Path,  # noqa: PT019 - its value is used
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    stored = (_fitted / VECTORS).read_bytes()
    manifest = fit_model(out, TAXONOMY, ENCODER, vectors=stored, labelled=labelled())
    assert manifest.labelled == {"forum": 4, "logs": 8}
    with_, without = (load_model(folder, ENCODER, TAXONOMY).phrasing for folder in (out, _fitted))
    for gate in ("collusion", "over_correction"):
        gaps = [
            p.scores(["Bravo."])[gate] - p.scores(["What then?"])[gate] for p in (with_, without)
        ]
        assert (gaps[0] > gaps[1] + 0.5) == (gate == "collusion")
    assert (out / REPLIES).read_bytes() == (_fitted / REPLIES).read_bytes()


def test_a_users_own_exemplars_leave_the_shipped_judges_of_replies_alone(
    _fitted: Path,  # noqa: PT019 - its value is used
    _banks: Path,  # noqa: PT019 - its value is used
    tmp_path: Path,
) -> None:
    own, shipped, out = tmp_path / "own", tmp_path / "shipped", tmp_path / "out"
    own.mkdir()
    (own / "age_claim.jsonl").write_text(
        _row("age_claim", "c", 900, "Candles galore", label="claim")
    )
    shutil.copytree(_banks, shipped)
    vectors = (_fitted / VECTORS).read_bytes()
    fit_model(shipped / "embeddings", TAXONOMY, ENCODER, vectors=vectors, labelled=labelled())
    with pytest.MonkeyPatch.context() as patch:
        for module in ("exemplars", "training"):
            patch.setattr(f"corroborator.{module}.resource", shipped.joinpath)
        manifest = fit_model(out, TAXONOMY, ENCODER, own=own)
        for name in (REPLIES, PHRASING):
            assert (out / name).read_bytes() == (shipped / "embeddings" / name).read_bytes()
        assert manifest.labelled == {"forum": 4, "logs": 8}
        other = WordEncoder(ENCODER.dimensions + 1)
        assert fit_model(tmp_path / "fresh", TAXONOMY, other, own=own).labelled == {}


def test_a_users_folder_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this folder of exemplars does not exist"):
        fit_model(tmp_path / "out", TAXONOMY, ENCODER, own=tmp_path / "typo")
    assert not (tmp_path / "out").exists()


def test_a_fit_that_is_cut_short_leaves_no_model(_fitted: Path, tmp_path: Path) -> None:  # noqa: PT019
    out = Path(shutil.copytree(_fitted, tmp_path / "out"))
    (out / VECTORS).unlink()
    (out / VECTORS).mkdir()  # writing stops here
    with pytest.raises(OSError, match="directory"):
        fit_model(out, TAXONOMY, ENCODER, vectors=(_fitted / VECTORS).read_bytes())
    with pytest.raises(DataError, match=r"manifest.json is missing"):
        load_model(out, ENCODER, TAXONOMY)


def test_sentences_are_paired_with_the_message_that_they_answer() -> None:
    banks = Banks.read(TAXONOMY)
    stored = unpack_vectors(encode_banks(banks, ENCODER))
    features = reply_features(banks, stored)
    assert len(features) == len(banks.replies) == banks.sizes["replies"]
    item = banks.replies[7]
    claim = mean_claim(ENCODER.encode([s.text for s in read_message(item.user).statements]))
    expected = pair_features(claim, ENCODER.encode([normalise(item.text)]))
    assert features[7] == pytest.approx(expected[0], abs=2e-3)
    assert np.linalg.norm(stored["messages"], axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
def test_the_shipped_banks_can_be_fitted_with_another_encoder(tmp_path: Path) -> None:
    manifest = fit_model(tmp_path / "model", TAXONOMY, ENCODER)
    model = load_model(tmp_path / "model", ENCODER, TAXONOMY)
    assert model.manifest == manifest
    policy = parse_policy(f"model: {tmp_path / 'model'}\naudit: {{store: null}}")
    with AuditLog.open("sqlite://") as log:
        turn = Guard(policy, encoder=ENCODER, audit=log).open_turn(conversation(said("tea")))
        assert turn.close("Fine.").record is not None
