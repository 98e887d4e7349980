"""``corroborator fit``: heads for another encoder, or with exemplars of your own."""

from pathlib import Path
from typing import Annotated

import typer

from corroborator.cli._common import ERR, OUT, SET_UP


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=SET_UP)(fit)


def fit(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write the model to.")],
    exemplars: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Exemplars of your own, added to the shipped ones."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="builtin, or sentence-transformers:NAME_OR_PATH.")
    ] = "builtin",
    labelled: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="LABELS",
            help="Labelled replies of others, as `evaluate replies` reads them, to fit phrasing on.",
        ),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Fit on the vectors already in DIR: the same bytes.")
    ] = False,
) -> None:
    """Fit the detectors and write a model folder, for `model:` in a policy."""
    from corroborator.encoders import load_encoder  # noqa: PLC0415 - keeps --help quick
    from corroborator.evaluation.labels import (  # noqa: PLC0415 - slow; --help stays quick
        ReplyLabel,
        read_labels,
    )
    from corroborator.model import VECTORS  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.taxonomy import load_taxonomy  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.training import fit_model  # noqa: PLC0415 - slow; --help stays quick

    with ERR.status("fitting; this takes some minutes"):
        manifest = fit_model(
            out,
            load_taxonomy(),
            load_encoder(encoder),
            own=exemplars,
            vectors=(out / VECTORS).read_bytes() if stored else None,
            labelled=read_labels(labelled or [], ReplyLabel),
        )
    counts = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in manifest.counts.items()
    )
    OUT.print(f"Fitted on {counts}, for the encoder {manifest.encoder}.")
    OUT.print(f"To use it, write `model: {out}` into your policy.", markup=False)
