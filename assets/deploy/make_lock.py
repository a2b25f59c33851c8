"""Write ``requirements.lock``: the exact version and SHA-256 of everything that the default install takes.

``python assets/deploy/make_lock.py``, in the environment whose versions were tested. pip resolves the dependencies of
``pyproject.toml`` and the extra ``dask`` under those versions, and reports which file it would install; no file names a
host. Hashes are those of the files for this platform and version of Python, which the first line states.
"""

import json
import platform
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1] / "pyproject.toml"
LOCK = HERE / "requirements.lock"


def pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--quiet", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def resolved(requirements: list[str]) -> list[dict]:
    """What pip would install for ``requirements`` under the installed versions, as its report describes it."""
    with tempfile.TemporaryDirectory() as folder:
        installed = Path(folder) / "installed.txt"
        pinned = [line for line in pip("freeze", "--exclude-editable").splitlines() if "==" in line]
        installed.write_text("\n".join(pinned))
        report = pip("install", "--dry-run", "--ignore-installed", "--report", "-", "-c", str(installed), *requirements)
    return json.loads(report)["install"]


def lock_line(package: dict) -> str:
    """``name==version --hash=sha256:…`` of one package of pip's report."""
    metadata, archive = package["metadata"], package["download_info"]["archive_info"]
    name = metadata["name"].lower().replace("_", "-")
    return f"{name}=={metadata['version']} --hash=sha256:{archive['hashes']['sha256']}"


def main() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["dask"]]
    lines = sorted(map(lock_line, resolved(requirements)))
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    LOCK.write_text(f"# {system}; written by make_lock.py\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
