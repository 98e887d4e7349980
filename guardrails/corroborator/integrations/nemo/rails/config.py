"""NeMo runs this file because its folder is among a configuration's ``import_paths``."""  # noqa: INP001

from corroborator.integrations.nemo.host import init

__all__ = ["init"]
