"""A folder to start from: a policy, texts to edit, and room for exemplars."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from corroborator.errors import ConfigError
from corroborator.resources import resource

FILES: Mapping[str, tuple[str, ...]] = {
    "rails.yml": ("init", "rails.yml"),
    "texts/steering.yml": ("steering.yml",),
    "texts/replacements.yml": ("replacements.yml",),
    "exemplars/README.md": ("init", "exemplars.md"),
}
"""What is written, and of what in ``rails_config/`` it is a copy."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the folder; ``new`` is false for one that was there and was left as it is."""

    path: Path
    new: bool


def write_starter(folder: Path) -> tuple[Written, ...]:
    """Write the starter files; what is there already is never touched.

    Raises:
        ConfigError: the folder or a file in it cannot be made.
    """
    return tuple(_write(folder / name, parts) for name, parts in FILES.items())


def write_nemo_starter(folder: Path) -> tuple[Written, ...]:
    """Write a NeMo Guardrails configuration that runs; what is there already is never touched.

    Raises:
        ConfigError: the folder or a file in it cannot be made.
    """
    return (_write(folder / "config.yml", ("nemo", "config.yml")),)


def _write(path: Path, parts: tuple[str, ...]) -> Written:
    content = resource("rails_config", *parts).read_bytes()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        if path.is_file():
            return Written(path, new=False)
        raise ConfigError("something that is no file or folder is in the way", path) from None
    except OSError as error:
        raise ConfigError(f"this cannot be written ({error.strerror})", path) from None
    return Written(path, new=True)
