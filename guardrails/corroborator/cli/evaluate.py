"""``corroborator evaluate``: figures against labelled data, as Markdown and charts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corroborator.cli._common import ERR, JUDGE, write_line

if TYPE_CHECKING:
    from corroborator.evaluation.report import Report
    from corroborator.evaluation.run import Evaluation

_Labels = Annotated[
    list[Path],
    typer.Argument(metavar="LABELS...", help="JSON Lines, gzipped or not; see docs/accuracy.md."),
]
_Scores = Annotated[
    Path | None,
    typer.Option(
        "--scores", metavar="FILE", help="Scores: read where FILE exists, else written to it."
    ),
]
_Charts = Annotated[
    Path | None, typer.Option("--charts", metavar="DIR", help="Folder to write SVG charts to.")
]

app = typer.Typer(help="Measure the detectors; prints figures, never text.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the group to the command line."""
    parent.add_typer(app, name="evaluate", rich_help_panel=JUDGE)


@app.command()
def statements(labels: _Labels, scores: _Scores = None, charts: _Charts = None) -> None:
    """Measure statements against labels, beside baselines."""
    _show(lambda evaluation: evaluation.statements(labels, scores), charts)


@app.command()
def replies(labels: _Labels, scores: _Scores = None, charts: _Charts = None) -> None:
    """Measure replies against labels, beside baselines."""
    _show(lambda evaluation: evaluation.replies(labels, scores), charts)


@app.command()
def frozen(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="benchmarks/ of a checkout.")
    ] = Path("benchmarks"),
) -> None:
    """Measure the frozen test texts of the repository; rows are named by id."""
    _show(lambda evaluation: evaluation.frozen(folder), None)


@app.command()
def coverage() -> None:
    """Print what the exemplar bank covers: families, carriers, kinds and lengths."""
    from corroborator.evaluation.coverage import coverage as table  # noqa: PLC0415 - keeps --help quick
    from corroborator.exemplars import shipped_exemplars  # noqa: PLC0415 - slow; --help stays quick
    from corroborator.taxonomy import load_taxonomy  # noqa: PLC0415 - slow; --help stays quick

    taxonomy = load_taxonomy()
    write_line(table(shipped_exemplars(taxonomy), taxonomy))


def _show(measure: "Callable[[Evaluation], Report]", charts: Path | None) -> None:
    with _evaluation() as evaluation:
        report = measure(evaluation)
    write_line(report.markdown)
    if charts is not None:
        report.write_charts(charts)


@contextmanager
def _evaluation() -> "Iterator[Evaluation]":
    from corroborator.evaluation.run import Evaluation  # noqa: PLC0415 - keeps --help quick

    with ERR.status("measuring") as status:
        yield Evaluation(lambda done: status.update(f"measuring: {done} rows"))
