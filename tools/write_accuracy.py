"""Write the figures of ``docs/accuracy.md`` and its charts anew: ``make accuracy LABELS=DIR``.

``DIR`` holds label files: ``*statements*.jsonl`` and ``*replies*.jsonl``, gzipped or not. What it
lacks keeps the figures that stand in the page. Scores are kept in ``build/``, named after the model,
so that a run that was cut short goes on where it was.
"""

import re
import sys
from pathlib import Path

from corroborator.evaluation.report import Report
from corroborator.evaluation.run import Evaluation, installed_model

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "accuracy.md"
CHARTS = ROOT / "docs" / "charts"

_PART = r"(<!-- measured: {} -->\n).*?(<!-- end -->)"


def main(labels: Path) -> None:
    """Measure what there are labels for, and the frozen texts."""
    evaluation = Evaluation()
    for name, measure in (("statements", evaluation.statements), ("replies", evaluation.replies)):
        if files := sorted(labels.glob(f"*{name}*.jsonl*")):
            kept = ROOT / "build" / f"{name}-{installed_model()[:12]}.jsonl"
            _put(name, measure(files, kept))
    _put("frozen", evaluation.frozen(ROOT / "benchmarks"))


def _put(name: str, report: Report) -> None:
    text = PAGE.read_text("utf-8")
    part = re.compile(_PART.format(name), re.DOTALL)
    filled, count = part.subn(lambda found: f"{found[1]}{report.markdown}{found[2]}", text)
    if count != 1:
        raise SystemExit(f"{PAGE} has no place for {name}")
    PAGE.write_text(filled, "utf-8")
    report.write_charts(CHARTS)
    print(f"measured {name}")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the folder
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
