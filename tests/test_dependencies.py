"""The default install holds no GPL, and the lock file pins all of it without naming a host."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = ROOT / "assets" / "deploy" / "requirements.lock"

LGPL = frozenset({"pyresample", "pykdtree"})
"""Packages under the LGPL that may be installed: they regrid swaths and curvilinear grids."""

READ_BY_HAND = {"cmocean": "MIT", "cuda-toolkit": "a list of dependencies without code of its own"}
"""Packages whose metadata name no licence; what their licence file or description says."""

CUDA = re.compile(r"(cuda|nvidia)-.+|triton")
"""What torch's build for CUDA brings, which pip chooses on Linux; the lock file pins the build for CPUs."""

GPL = re.compile(r"\bA?GPL|\bGNU (Affero )?General Public", re.IGNORECASE)
LESSER = re.compile(r"\bLGPL|GNU (Lesser|Library) General Public", re.IGNORECASE)


def default_install() -> dict[str, Distribution]:
    """Every distribution that the default install needs, by name: the dependencies and theirs, as markers say."""
    distributions: dict[tuple[str, frozenset[str]], Distribution] = {}
    waiting = [Requirement(text) for text in PROJECT["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in distributions:
            continue
        distribution = distributions[key] = importlib.metadata.distribution(requirement.name)
        extras = requirement.extras or {""}
        for text in distribution.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return {name: distribution for (name, _), distribution in distributions.items()}


def licence_of(name: str, metadata: importlib.metadata.PackageMetadata) -> str:
    """The licence that the metadata state: the SPDX expression, else classifiers and the first line of the text.

    The rest of a licence text is about what the package bundles, such as the compiler's run-time library in SciPy.
    """
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    text = (metadata.get("License") or "").strip().partition("\n")[0]
    return "; ".join(filter(None, [*classifiers, text])) or READ_BY_HAND.get(name, "")


def is_gpl(licence: str) -> bool:
    """Whether a licence is the GPL or the AGPL, not the LGPL."""
    return bool(GPL.search(LESSER.sub("", licence)))


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", True),
        ("MIT OR GPL-2.0", True),
        ("License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("LGPL-2.1-only", False),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT", False),
        ("BSD-3-Clause AND 0BSD", False),
    ],
)
def test_licences_are_told_apart(licence, expected):
    assert is_gpl(licence) is expected


def test_the_default_install_holds_no_gpl():
    licences = {name: licence_of(name, distribution.metadata) for name, distribution in default_install().items()}
    assert len(licences) > 60  # the walk went beyond the direct dependencies
    assert not {name: licence for name, licence in licences.items() if is_gpl(licence)}
    assert not [name for name, licence in licences.items() if not licence], "read the licence, then name it here"
    assert {name for name, licence in licences.items() if LESSER.search(licence)} <= LGPL


def locked() -> dict[str, str]:
    """Version of each package of the lock file."""
    versions: dict[str, str] = {}
    for line in LOCK.read_text().splitlines():
        if not line.startswith("#"):
            pin = re.fullmatch(r"([a-z0-9.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line)
            assert pin, line
            versions[canonicalize_name(pin[1])] = pin[2]
    return versions


def test_the_lock_file_names_no_host():
    text = LOCK.read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_the_lock_file_pins_the_default_install_within_its_ranges():
    versions = locked()
    assert {name for name in default_install() if not CUDA.fullmatch(name)} <= versions.keys()
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dask"]]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)], prereleases=True), text
