"""Check that everything that the wheel brings has a licence that we accept.

Run as ``python tools/check_licences.py PYTHON``, where PYTHON is that of an environment that holds
the wheel and what it needs, and nothing else. It ends with 1 and names what it refuses.

Accepted are permissive licences, and MPL-2.0, whose copyleft stays within its own files. GPL and
AGPL are refused because they would bind the programs that embed us. LGPL is refused too: it asks
whoever ships one bundle (a frozen program, a phone app) to let users swap the library in it, and
nothing that we need has it. A licence that is not in the list is refused until somebody has read
it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping

ACCEPTED = frozenset(
    {
        "0bsd",
        "apache 2.0",
        "apache license 2.0",
        "apache software license",
        "apache-2.0",
        "bsd",
        "bsd license",
        "bsd-2-clause",
        "bsd-3-clause",
        "isc",
        "isc license (iscl)",
        "mit",
        "mit license",
        "mit-0",
        "mozilla public license 2.0 (mpl 2.0)",
        "mpl-2.0",
        "psf-2.0",
        "python software foundation license",
        "unlicense",
        "zlib",
    }
)

OURS = ("corroborator", "pip", "setuptools")  # the venv's own installers are not shipped


def accepted(licence: str) -> bool:
    """Say whether a licence, as its package writes it, is one that we accept.

    In ``A AND B`` and in a list every part must be; in ``A OR B`` one is enough.
    """
    text = licence.lower().replace("(mpl 2.0)", "").replace("(iscl)", "")
    names = {re.sub(r"\s*\((mpl 2\.0|iscl)\)", "", name) for name in ACCEPTED}
    choices = re.split(r"\s+or\s+", text.strip(" ()"))
    return any(
        all(part.strip(" ()") in names for part in re.split(r"\s+and\s+|;|,", choice))
        for choice in choices
    )


def licences_of(python: str) -> Mapping[str, str]:
    """Return the licence of every distribution that an environment holds."""
    command = [sys.executable, "-m", "piplicenses", "--python", python, "--format", "json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
    return {row["Name"]: row["License"] for row in json.loads(output)}


def main() -> None:
    """Check the environment named on the command line."""
    found = {n: licence for n, licence in licences_of(sys.argv[1]).items() if n not in OURS}
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
