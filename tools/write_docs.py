"""Write the generated parts of the documentation: ``make docs``.

``docs/cli.md`` is the help of every command; what stands between ``<!-- generated: NAME -->`` and
``<!-- end -->`` comes from the taxonomy and from the public names. A test fails where a page is not
what this writes.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer
from typer.testing import CliRunner

import account
import corroborator
from corroborator.cli import app
from corroborator.taxonomy import load_taxonomy

ROOT = Path(__file__).parents[1]
WIDTH = "92"

_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def pages() -> dict[Path, str]:
    """Return every page with generated parts, as it should be."""
    makers = {"names": names, "domains": domains, "protected": protected, **account.parts()}
    parts = {name: make() for name, make in makers.items()}
    filled = {
        path: _PART.sub(lambda found: found[1] + parts[found[2]] + found[3], text)
        for path in sorted((ROOT / "docs").glob("*.md"))
        if _PART.search(text := path.read_text("utf-8"))
    }
    return filled | {ROOT / "docs" / "cli.md": command_line()}


def command_line() -> str:
    """Return the page of the command line: the help of every command, as it is printed."""
    heading = "# Command line\n\nWritten by `make docs` from the commands themselves.\n"
    return heading + "".join(
        f"\n## `{' '.join(('corroborator', *path))}`\n\n```text\n{help_of(path)}\n```\n"
        for path in command_paths()
    )


def command_paths() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, the bare one first, as ``--help`` orders them."""
    yield ()
    for name, command in _group(typer.main.get_command(app)).items():
        yield (name,)
        yield from ((name, inner) for inner in _group(command))


def _group(command: object) -> Mapping[str, object]:
    return getattr(command, "commands", {})


def help_of(path: tuple[str, ...]) -> str:
    """Return what ``corroborator PATH --help`` prints on a terminal without colours."""
    environment = {"COLUMNS": WIDTH, "TERM": "dumb", "NO_COLOR": "1"}
    done = CliRunner().invoke(app, [*path, "--help"], prog_name="corroborator", env=environment)
    if done.exit_code:
        raise SystemExit(f"corroborator {' '.join(path)} --help fails")
    return "\n".join(line.rstrip() for line in done.output.splitlines()).strip("\n")


def names() -> str:
    """Return a table of the public names, with the first line of each docstring."""
    rows = []
    for name in sorted(corroborator.__all__):
        value = getattr(corroborator, name)
        told = "The version of this package." if isinstance(value, str) else inspect.getdoc(value)
        rows.append(f"| `{name}` | {(told or '').partition(chr(10))[0]} |\n")
    return "| name | what it is |\n| --- | --- |\n" + "".join(rows)


def domains() -> str:
    """Return a table of the domains."""
    rows = [
        f"| `{name}` | {domain.title} | {domain.severity} |\n"
        for name, domain in load_taxonomy().domains.items()
    ]
    return "| id | what is claimed | if a reply adopts it |\n| --- | --- | --- |\n" + "".join(rows)


def protected() -> str:
    """Return a table of the protected disclosures."""
    rows = [
        f"| `{name}` | {disclosure.title} |\n"
        for name, disclosure in load_taxonomy().protected.items()
    ]
    return "| id | what is disclosed |\n| --- | --- |\n" + "".join(rows)


if __name__ == "__main__":
    for page, content in pages().items():
        page.write_text(content, "utf-8")
        print(f"wrote {page.relative_to(ROOT)}")
