"""Make ``pretrained/centres-*.json``: kinds of centres compared on land, on the ocean's observations and on cities.

python assets/make_centres.py     # three runs of the task "centres", a minute of one core
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.config import RunConfig
from engine.config.centres import CentresSettings
from engine.runs.run_folder import RunFolder
from engine.training.fit import fit

TARGET = Path(__file__).parent / "pretrained"


def main() -> None:
    for density in ("land", "ocean", "cities"):
        with TemporaryDirectory() as folder:
            fit(RunConfig(settings=CentresSettings(density=density)), Path(folder))
            shutil.copyfile(RunFolder(Path(folder)).centres, TARGET / f"centres-{density}.json")


if __name__ == "__main__":
    main()
