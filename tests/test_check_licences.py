import pytest

from check_licences import accepted


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "MIT License",
        "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
        "Apache-2.0 OR GPL-3.0-only",
        "MIT License; Mozilla Public License 2.0 (MPL 2.0)",
        "(MIT OR GPL-2.0-only) AND ISC",
    ],
)
def test_accepted(licence: str) -> None:
    assert accepted(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-or-later",
        "LGPL-2.1-only",
        "AGPL-3.0-only",
        "GNU General Public License v3 (GPLv3)",
        "MIT License; GNU Lesser General Public License v3 (LGPLv3)",
        "MIT AND GPL-2.0-only",
        "(MIT OR ISC) AND AGPL-3.0-only",
        "UNKNOWN",
        "Other/Proprietary License",
        "",
    ],
)
def test_refused(licence: str) -> None:
    assert not accepted(licence)
