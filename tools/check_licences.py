"""Check that everything that the wheel brings has a licence that we accept.

Run as ``python tools/check_licences.py PYTHON``, where PYTHON is that of an environment that holds
the wheel and what it needs, and nothing else. It ends with 1 and names what it refuses.

Accepted are permissive licences, and MPL-2.0, whose copyleft stays within its own files. GPL and
AGPL are refused because they would bind the programs that embed us. LGPL is refused too: it asks
whoever ships one bundle (a frozen program, a phone app) to let users swap the library in it, and
nothing that we need declares it. A licence that is not in the list is refused until somebody has
read it.

What counts is what packages declare. It does not show GCC's run-time libraries, which the wheels of
NumPy and faiss-cpu carry as separate files, as most compiled wheels do: libgfortran and libgomp (GPL
with the exception that lets any program use them) and libquadmath (LGPL-2.1).
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing

SPDX = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)

OLD_NAMES = frozenset(
    {
        "3-Clause BSD License",
        "Apache 2.0",
        "Apache License 2.0",
        "Apache Software License",
        "BSD License",
        "ISC License (ISCL)",
        "MIT License",
        "Mozilla Public License 2.0 (MPL 2.0)",
        "Python Software Foundation License",
    }
)
"""What packages write that have no SPDX expression yet."""

INSTALLERS = ("pip", "setuptools")
"""They come with every virtual environment and not with the wheel."""

_LICENSING = get_spdx_licensing()


def accepted(licence: str) -> bool:
    """Say whether we accept a licence, as its package writes it: SPDX, or old names in a list."""
    if all(name.strip() in OLD_NAMES for name in licence.split(";")):
        return True
    try:
        return _holds(_LICENSING.parse(licence))
    except ExpressionError:
        return False


def _holds(expression: Any) -> bool:
    if isinstance(expression, _LICENSING.AND):
        return all(_holds(part) for part in expression.args)
    if isinstance(expression, _LICENSING.OR):
        return any(_holds(part) for part in expression.args)
    return str(expression) in SPDX


def licences_of(python: str) -> Mapping[str, str]:
    """Return the licence of every distribution that an environment holds."""
    command = [sys.executable, "-m", "piplicenses", "--python", python, "--format", "json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    return {row["Name"]: row["License"] for row in json.loads(output)}


def main() -> None:
    """Check the environment named on the command line."""
    found = {n: licence for n, licence in licences_of(sys.argv[1]).items() if n not in INSTALLERS}
    refused = {name: licence for name, licence in found.items() if not accepted(licence)}
    for name, licence in sorted(refused.items()):
        print(f"refused: {name}: {licence}")
    if refused or not found:
        sys.exit(1)
    print(f"the licences of {len(found)} packages are accepted:")
    for licence in sorted(set(found.values())):
        print(f"  {licence}: {', '.join(sorted(n for n in found if found[n] == licence))}")


if __name__ == "__main__":
    main()
