"""Where the data that ships with the package lives, in a wheel and in a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from corroborator.errors import DataError


def resource(*parts: str) -> Traversable:
    """Return a shipped file or folder, for example ``resource("rails_config", "taxonomy.yml")``.

    In a wheel the data folders lie inside the package; in a checkout (editable install) they lie
    beside ``guardrails/``, so edits are live.
    """
    root: Traversable = files("corroborator")
    if not root.joinpath(parts[0]).is_dir():
        root = Path(__file__).parents[2]
    return root.joinpath(*parts)


def resource_path(*parts: str) -> Path:
    """Return a shipped file as a real path, for libraries that open files by name.

    Raises:
        DataError: the package is installed in a form without real files (a zip archive), or the
            file is missing from the installation.
    """
    found = resource(*parts)
    if not isinstance(found, Path) or not found.exists():
        raise DataError(
            f"{'/'.join(parts)} is not in this installation of corroborator; reinstall the package"
        )
    return found
