"""A pytest plugin that adds rails to every app that a suite of tests makes.

    ARM=ours pytest -p arms SUITE

ARM is ``none``, ``regex`` (NVIDIA's own rail, with a pattern that never matches) or ``ours``. What
fails with NVIDIA's rail too is the price of any rail; see tools/peers_nemo.py.
"""

import os
from functools import wraps
from pathlib import Path
from typing import Any

os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] = "1"
os.environ["COLANGPATH"] = str(Path(__file__).parents[4] / "guardrails")

from nemoguardrails import LLMRails, RailsConfig

ARMS = {
    "none": "",
    "regex": """
rails:
  config: {regex_detection: {input: {patterns: [zzzz]}, output: {patterns: [zzzz]}}}
  input: {flows: [regex check input]}
  output: {flows: [regex check output]}
""",
    "ours": """
import_paths: [corroborator/integrations/nemo/rails]
rails:
  input: {flows: [corroborator check input]}
  output: {flows: [corroborator check output]}
custom_data: {corroborator: {audit: {store: null}}}
""",
}


def pytest_configure() -> None:
    """Wrap what makes an app."""
    rails = ARMS[os.environ.get("ARM", "none")]
    plain = LLMRails.__init__

    @wraps(plain)
    def with_rails(app: Any, config: Any, *arguments: Any, **named: Any) -> None:
        if rails and config.colang_version == "1.0":
            config = RailsConfig.from_content(yaml_content=rails) + config
        plain(app, config, *arguments, **named)

    LLMRails.__init__ = with_rails
