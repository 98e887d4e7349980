"""Tuning: what the exemplars teach, and one real tuning of a small bank where torch is there."""

import json
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest

from corroborator.adapter import CLAIM, DISCLOSURE, FAMILIES, Company, read_targets, tune
from corroborator.errors import ConfigError
from corroborator.exemplars import Exemplar, shipped_exemplars
from corroborator.taxonomy import Taxonomy, load_taxonomy

BASE = os.environ.get("CORROBORATOR_BASE_MODEL", "")  # a folder; the repository has no copy


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_taxonomy()


def exemplar(number: int, family: str, tag: str, *, positive: bool, text: str = "") -> Exemplar:
    return Exemplar(f"{family}-x{number}", family, text or f"Text {number}.", positive, tag)


@pytest.fixture
def bank(taxonomy: Taxonomy) -> tuple[Exemplar, ...]:
    domain, disclosure = next(iter(taxonomy.domains)), next(iter(taxonomy.protected))
    return (
        exemplar(0, domain, "assertion", positive=True),
        exemplar(1, domain, "claim_elsewhere", positive=False),
        exemplar(2, domain, "protected", positive=False),
        exemplar(3, domain, "ordinary", positive=False),
        exemplar(4, disclosure, "assertion", positive=True),
        exemplar(5, disclosure, "pure_feeling", positive=False),
        exemplar(6, "ordinary", "ordinary", positive=False),
    )


def test_columns_say_claim_and_disclosure(bank: tuple[Exemplar, ...], taxonomy: Taxonomy) -> None:
    labels = read_targets(bank, taxonomy).labels
    assert labels[:, CLAIM].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert labels[:, DISCLOSURE].tolist() == [0, 0, 1, 0, 1, 0, 0]


def test_what_nobody_can_say_is_left_out(bank: tuple[Exemplar, ...], taxonomy: Taxonomy) -> None:
    targets = read_targets(bank, taxonomy)
    families = (*taxonomy.domains, *taxonomy.protected)
    domain = FAMILIES + families.index(bank[0].family)
    disclosure = FAMILIES + families.index(bank[4].family)
    assert targets.weights[1, CLAIM] == 0  # another family claims it
    assert targets.weights[1, domain] == 0
    assert targets.weights[2, disclosure] == 0  # a disclosure whose family is not named
    assert targets.weights[4, disclosure] > 1  # positives of a family are few


def test_both_sides_count_the_same_in_the_shipped_bank(taxonomy: Taxonomy) -> None:
    targets = read_targets(shipped_exemplars(taxonomy), taxonomy)
    for column in (CLAIM, DISCLOSURE):
        weight, label = targets.weights[:, column], targets.labels[:, column] == 1
        assert weight[label].sum() == pytest.approx(weight[~label].sum(), rel=1e-3)


def test_a_class_is_a_family_or_a_kind(bank: tuple[Exemplar, ...], taxonomy: Taxonomy) -> None:
    targets = read_targets(bank, taxonomy)
    named = [targets.names[number] for number in targets.classes]
    assert named[0] == bank[0].family
    assert named[5:] == ["pure_feeling", "ordinary"]


def test_a_bank_of_claims_alone_is_refused(bank: tuple[Exemplar, ...], taxonomy: Taxonomy) -> None:
    with pytest.raises(ConfigError, match="near misses"):
        read_targets(bank[:1], taxonomy)


def test_company_keeps_the_text_and_adds_whole_sentences() -> None:
    neighbour = "We took the slow train home"
    calm = exemplar(0, "ordinary", "ordinary", positive=False, text=neighbour)
    claim = exemplar(1, "sleep_report", "assertion", positive=True, text="I never sleep at all")
    company = Company((calm, claim), Random(0))  # noqa: S311 - chance
    views = {company.view(claim) for _ in range(60)}
    assert views == {
        "I never sleep at all",
        f"I never sleep at all. {neighbour}.",
        f"{neighbour}. I never sleep at all.",
    }


def test_ordinary_text_keeps_ordinary_company() -> None:
    calm = exemplar(0, "ordinary", "ordinary", positive=False, text="Which bus goes there?")
    missed = exemplar(1, "sleep_report", "insight_or_past", positive=False, text="I slept so badly")
    company = Company((calm, missed), Random(0))  # noqa: S311 - chance
    assert all("slept" not in company.view(calm) for _ in range(60))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_tuning_repeats_moves_upper_layers_only_and_spares_held_out_rows(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    pytest.importorskip("sentence_transformers", reason="TUNING IS NOT TESTED: the extra `train`")
    if not BASE:
        pytest.skip("TUNING IS NOT TESTED: name the base model's folder in CORROBORATOR_BASE_MODEL")
    from safetensors.numpy import load_file  # noqa: PLC0415

    bank = shipped_exemplars(taxonomy)[::80]
    spared = tuple(item for item in bank if not item.held_out)
    assert len(spared) < len(bank)
    plans = [(bank, 1), (spared, 1), (bank, 2)]
    reports = [
        tune(rows, taxonomy, tmp_path / str(number), seed=seed, base=BASE)
        for number, (rows, seed) in enumerate(plans)
    ]
    assert reports[0].sha256 == reports[1].sha256 != reports[2].sha256
    tuned, base = load_file(reports[0].weights), load_file(Path(BASE) / "model.safetensors")
    moved = {name for name in tuned if not np.array_equal(tuned[name], base[name])}
    assert moved
    assert all(name.startswith(tuple(f"encoder.layer.{n}." for n in (3, 4, 5))) for name in moved)
    provenance = json.loads(reports[0].provenance.read_text())
    assert (provenance["seed"], provenance["rows"]) == (1, len(spared))
