"""How the code hangs together: contracts without exceptions, and no circle in the imports."""

from __future__ import annotations

import graphlib
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]


def test_no_import_contract_has_an_exception() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)["tool"]["importlinter"]
    assert settings["root_packages"] == ["engine", "explorer"]
    assert settings["contracts"]
    for contract in settings["contracts"]:
        assert not contract.get("ignore_imports"), contract["name"]


def test_every_package_of_the_engine_is_in_the_layers() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layers,) = (
        contract["layers"]
        for contract in contracts
        if contract["type"] == "layers" and "engine.errors" in contract["layers"]
    )
    listed = {name.strip() for layer in layers for name in layer.split("|")}
    present = {
        f"engine.{path.stem}"
        for path in (ROOT / "engine").iterdir()
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert listed == present


@pytest.mark.parametrize("package", ["engine", "explorer"])
def test_no_circle_in_the_imports(package: str) -> None:
    graph = grimp.build_graph(
        package, include_external_packages=False, exclude_type_checking_imports=True, cache_dir=None
    )
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as circle:
        pytest.fail(" → ".join(reversed(circle.args[1])))
