"""Paths of the files shipped with Harmonia: beside the packages in a checkout, inside the wheel when installed."""

from pathlib import Path

from engine.errors import StoreError

#: Folders of shipped files, in order of search.
FOLDERS = (Path(__file__).resolve().parent.parent / "assets", Path(__file__).resolve().parent / "_assets")


def asset(name: str) -> Path:
    """The path of the shipped file ``name`` (``assets/README.md`` lists them with source and licence)."""
    for folder in FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise StoreError(f"the shipped file {name!r} is missing", f"looked in {FOLDERS[0]}", "install Harmonia again")
