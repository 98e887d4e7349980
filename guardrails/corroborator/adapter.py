"""From exemplars to a tuned encoder (extra ``train``: sentence-transformers, which brings torch).

The upper layers of all-MiniLM-L6-v2 learn, all at once, whether a text is a claim or a disclosure,
and of which family or kind of near miss it is. Then tuned and original weights are averaged,
which is meant to keep what holds for texts unlike the exemplars (Wortsman et al., Robust
fine-tuning of zero-shot models, CVPR 2022). ``tools/build_encoder.py --weights`` turns the result
into an encoder that runs without torch.

The shipped encoder is not tuned: on the shipped bank, tuning told held-out exemplars from their
near misses better, and the statements of other writers worse. Measure on text that nobody of the
bank wrote before using a tuned encoder.
"""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from corroborator.errors import ConfigError, EncoderError
from corroborator.exemplars import ORDINARY, Exemplar, bank_hash
from corroborator.statements import normalise
from corroborator.taxonomy import Taxonomy

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS, PROVENANCE = "model.safetensors", "tuning.json"

CLAIM, DISCLOSURE = 0, 1
"""Columns of the labels: any claim, any disclosure; the families follow."""

FAMILIES = 2
"""The first of their columns."""

FAMILY_POSITIVES = 5.0
"""How much a positive of a family counts beside a row that is none: positives are few."""

_LIBRARIES = ("torch", "transformers", "sentence-transformers", "safetensors")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the encoder is tuned.

    Attributes:
        epochs: passes over the exemplars.
        rate: highest learning rate of the layers; it rises over the first tenth, then falls to 0.
        head_rate: that of the heads, which start from nothing.
        frozen_layers: lower layers that stay as they are, as the word table does.
        company: share of texts that get a sentence of ordinary talk or of a near miss before or
            after them, so that a claim is found inside a message and length tells nothing.
        tokens: in one step.
        scale: the heads read the vector of length 1 times this.
        kept: weight of the tuned layers in the mean with the original ones.
    """

    epochs: int = 2
    rate: float = 1e-4
    head_rate: float = 2e-3
    frozen_layers: int = 3
    company: float = 0.4
    tokens: int = 1600
    scale: float = 12.0
    kept: float = 0.6


RECIPE = Recipe()


@dataclass(frozen=True, slots=True)
class TuneReport:
    """What a tuning wrote.

    Attributes:
        weights: the safetensors file, for ``tools/build_encoder.py --weights``.
        provenance: the JSON file beside it.
        sha256: of the weights.
        losses: mean loss of the claim head in each epoch.
    """

    weights: Path
    provenance: Path
    sha256: str
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Targets:
    """What each exemplar teaches.

    Attributes:
        labels: shape (exemplars, 2 + families), 0 or 1.
        weights: the same shape: how much each label counts; 0 leaves it out.
        classes: shape (exemplars,): the family of a positive, the kind of a near miss.
        names: of the classes.
    """

    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]


def tune(
    exemplars: Sequence[Exemplar],
    taxonomy: Taxonomy,
    out: Path,
    *,
    seed: int,
    base: str = BASE_MODEL,
) -> TuneReport:
    """Tune the encoder on a bank and write its weights and their provenance.

    The same exemplars, seed, library versions and processor give the same weights.

    Args:
        exemplars: the bank; those held out are not learnt from, so that they can calibrate heads.
        taxonomy: names the families.
        out: a folder; it is made where it does not exist.
        seed: of the order, of the company of each text, and of dropout.
        base: all-MiniLM-L6-v2, by its name on the Hugging Face hub or as a folder.

    Raises:
        ConfigError: there are no claims, no disclosures or nothing else to learn from.
        EncoderError: the extra is not installed, or the base model cannot be loaded.
    """
    seen = [item for item in exemplars if not item.held_out]
    targets = read_targets(seen, taxonomy)
    model = _load(base)
    losses = _Tuning(model, seen, targets, seed).run()
    out.mkdir(parents=True, exist_ok=True)
    report = _write(model, out, losses)
    provenance = {
        "base": BASE_MODEL,
        "exemplars": bank_hash(exemplars),
        "rows": len(seen),
        "seed": seed,
        "recipe": asdict(RECIPE),
        "losses": [round(loss, 4) for loss in losses],
        "weights_sha256": report.sha256,
        "tuned_with": {name: version(name) for name in ("corroborator", *_LIBRARIES)},
    }
    report.provenance.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
    return report


def read_targets(exemplars: Sequence[Exemplar], taxonomy: Taxonomy) -> Targets:
    """Return what the exemplars teach; both sides of claim and disclosure count the same in sum.

    Raises:
        ConfigError: one of these two has only one side.
    """
    families = (*taxonomy.domains, *taxonomy.protected)
    family = np.array([item.family for item in exemplars])
    tag = np.array([item.tag or "" for item in exemplars])
    positive = np.array([item.positive for item in exemplars], dtype=bool)
    protected = np.isin(family, tuple(taxonomy.protected))
    elsewhere, unnamed = tag == "claim_elsewhere", tag == "protected"
    labels = np.stack(
        [
            positive & ~protected,
            (positive & protected) | unnamed,
            *(positive & (family == name) for name in families),
        ],
        axis=1,
    )
    weights = np.ones(labels.shape, np.float32)
    weights[elsewhere, CLAIM] = 0
    for column, name in enumerate(families, start=FAMILIES):
        other = unnamed | (positive & protected & (family != name))
        weights[labels[:, column], column] = FAMILY_POSITIVES
        weights[other if name in taxonomy.protected else elsewhere, column] = 0
    for column in (CLAIM, DISCLOSURE):
        _balance(labels[:, column], weights[:, column])
    names = (*families, *sorted(set(tag[~positive])))
    classes = np.array(
        [names.index(f if p else t) for f, p, t in zip(family, positive, tag, strict=True)]
    )
    return Targets(labels.astype(np.float32), weights, classes, names)


def _balance(label: NDArray[np.bool_], weight: NDArray[np.float32]) -> None:
    for side in (label, ~label):
        total = weight[side].sum()
        if not total:
            raise ConfigError(
                "tuning needs claims, disclosures and near misses of both in the bank"
            )
        weight[side] *= len(label) / (2 * total)


class Company:
    """Puts sentences of ordinary talk and of near misses before or after a text.

    Args:
        exemplars: the bank; sentences of 3 to 25 words are taken from what claims nothing.
        dice: where chance comes from.
    """

    _WORDS = range(3, 26)

    def __init__(self, exemplars: Sequence[Exemplar], dice: random.Random) -> None:
        self._dice = dice
        self._ordinary = self._sentences(e for e in exemplars if e.family == ORDINARY)
        self._near_misses = self._sentences(
            e
            for e in exemplars
            if not e.positive and e.tag not in (ORDINARY, "claim_elsewhere", "protected")
        )

    def _sentences(self, exemplars: Iterator[Exemplar]) -> list[str]:
        texts = (normalise(item.text) for item in exemplars)
        cut = (sentence for text in texts for sentence in _SENTENCE_END.split(text))
        return [sentence for sentence in cut if len(sentence.split()) in self._WORDS]

    def view(self, exemplar: Exemplar) -> str:
        """Return the text of an exemplar, or that text in company."""
        text = normalise(exemplar.text)
        if self._dice.random() >= RECIPE.company:
            return text
        calm = ORDINARY in (exemplar.family, exemplar.tag) or self._dice.random() < 0.5  # noqa: PLR2004 - a coin
        pool = self._ordinary if calm else self._near_misses
        if not pool:
            return text
        other = self._dice.choice(pool)
        pair = (text, other) if self._dice.random() < 0.5 else (other, text)  # noqa: PLR2004 - a coin
        return " ".join(_closed(part) for part in pair)


def _closed(sentence: str) -> str:
    return sentence if sentence[-1] in ".!?" else f"{sentence}."


class _Tuning:
    def __init__(
        self,
        model: "SentenceTransformer",
        exemplars: Sequence[Exemplar],
        targets: Targets,
        seed: int,
    ) -> None:
        import torch  # noqa: PLC0415 - an extra, and slow to import

        torch.manual_seed(seed)
        self._torch, self._model = torch, model
        self._exemplars, self._targets = exemplars, targets
        self._dice = random.Random(seed)  # noqa: S311 - not for secrets
        self._company = Company(exemplars, self._dice)
        self._layers = model[0].auto_model.encoder.layer[RECIPE.frozen_layers :]
        self._labels = torch.from_numpy(targets.labels)
        self._weights = torch.from_numpy(targets.weights)
        self._classes = torch.from_numpy(targets.classes)
        self._heads = torch.nn.Linear(model[0].auto_model.config.hidden_size, self._labels.shape[1])
        self._namer = torch.nn.Linear(self._heads.in_features, len(targets.names))
        for head in (self._heads, self._namer):
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.zeros_(head.bias)

    def run(self) -> tuple[float, ...]:
        """Tune, average with the original layers, and return the claim loss of each epoch."""
        torch = self._torch
        original = {name: value.clone() for name, value in self._layers.state_dict().items()}
        self._model.requires_grad_(requires_grad=False)
        self._layers.requires_grad_(requires_grad=True)
        optimiser = torch.optim.AdamW(
            [
                {"params": list(self._layers.parameters()), "lr": RECIPE.rate},
                {
                    "params": [*self._heads.parameters(), *self._namer.parameters()],
                    "lr": RECIPE.head_rate,
                },
            ]
        )
        epochs = [list(self._batches()) for _ in range(RECIPE.epochs)]
        steps = sum(map(len, epochs))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / (0.1 * steps), (steps - step) / steps)
        )
        losses = [
            float(np.mean([self._step(batch, optimiser, schedule) for batch in epoch]))
            for epoch in epochs
        ]
        tuned = self._layers.state_dict()
        mean = {name: torch.lerp(original[name], tuned[name], RECIPE.kept) for name in tuned}
        self._layers.load_state_dict(mean)
        return tuple(losses)

    def _batches(self) -> Iterator[list[tuple[int, str]]]:
        """Yield rows and texts of about one length, in an order left to chance."""
        views = [(row, self._company.view(item)) for row, item in enumerate(self._exemplars)]
        sizes = [
            len(ids) for ids in self._model.tokenizer([text for _, text in views])["input_ids"]
        ]
        order = sorted(range(len(views)), key=lambda row: sizes[row] + self._dice.random() * 6)
        batches: list[list[tuple[int, str]]] = [[]]
        longest = 0
        for position in order:
            longest = max(longest, sizes[position])
            if batches[-1] and longest * (len(batches[-1]) + 1) > RECIPE.tokens:
                batches.append([])
                longest = sizes[position]
            batches[-1].append(views[position])
        self._dice.shuffle(batches)
        yield from batches

    def _step(
        self,
        batch: list[tuple[int, str]],
        optimiser: "torch.optim.Optimizer",
        schedule: "torch.optim.lr_scheduler.LRScheduler",
    ) -> float:
        torch = self._torch
        rows = torch.tensor([row for row, _ in batch])
        self._model.train()
        features = self._model.preprocess([text for _, text in batch])
        with torch.autocast("cpu", torch.bfloat16):
            vectors = self._model(features)["sentence_embedding"]
        vectors = torch.nn.functional.normalize(vectors.float(), dim=1) * RECIPE.scale
        functional = torch.nn.functional
        each = self._weights[rows] * functional.binary_cross_entropy_with_logits(
            self._heads(vectors), self._labels[rows], reduction="none"
        )
        named = functional.cross_entropy(
            self._namer(vectors), self._classes[rows], label_smoothing=0.1
        )
        claim, disclosure = each[:, CLAIM].mean(), each[:, DISCLOSURE].mean()
        loss = claim + 0.7 * disclosure + 4 * each[:, FAMILIES:].mean() + 0.5 * named
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._layers.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        return float(claim.detach())


def _load(base: str) -> "SentenceTransformer":
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - as above
    except ImportError as error:
        raise EncoderError(
            "tuning needs sentence-transformers: pip install 'corroborator[train]'"
        ) from error
    with suppress(OSError, ValueError):
        return SentenceTransformer(base, device="cpu")
    raise EncoderError(f"{base!r} cannot be loaded: name {BASE_MODEL} or a folder that holds it")


def _write(model: "SentenceTransformer", out: Path, losses: tuple[float, ...]) -> TuneReport:
    from safetensors.torch import save_file  # noqa: PLC0415 - as above

    tensors = model[0].auto_model.state_dict()
    weights = out / WEIGHTS
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    return TuneReport(weights, out / PROVENANCE, digest, losses)
