"""``python -m tests.faults.damaged_files FOLDER FIRST STOP``: opens damaged files, numbers FIRST to STOP, as we do.

Number n is a file of the kind n modulo the number of kinds, damaged by a generator seeded with n. Each gives two
lines of JSON: number and kind before it is opened; then how it ended, ``opened``, ``refused`` with the sentence or
``error`` with the traceback, and the bytes by which the peak memory grew.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import rasterio
import torch
import xarray as xr

from engine.config.expert import ExpertSettings
from engine.config.run_config import RunConfig
from engine.data.climate import NUM_CLASSES
from engine.data.tile_files import _read as read_tile
from engine.embedding import HarmonicBasis
from engine.errors import EngineError
from engine.mvmf import MixtureVMF, even_centres, read_centres
from engine.queries import ocean
from engine.queries.embeddings import EmbeddingConfig, config_from_json, config_json
from engine.queries.mvmf import expert as expert_queries
from engine.queries.train.curves import sweep_summary
from engine.queries.train.run_files import final_scores, snapshot_fields
from engine.runs.checkpoints import read_checkpoint, write_checkpoint
from engine.runs.run_folder import RunFolder, write_arrays
from engine.sphere import LatLonGrid
from engine.training.expert.model_bundle import build, load_expert
from engine.training.sst.model_bundle import ModelBundle
from tests.support import producers
from tests.support.trainings import untrained

Rng = np.random.Generator
HUGE = (2**31 - 1, 2**63 - 1, 10**9, -1, 0, 10**40)
ABSURD: tuple[Any, ...] = (None, "", "x" * 3000, [], {}, [[[[]]]], True, float("nan"), float("inf"), -1e300, *HUGE)
"""What a value of JSON becomes."""


# --- sound files ----------------------------------------------------------------------------------------------------


def netcdf3(folder: Path) -> Path:
    producers.dataset(4).to_netcdf(folder / "a.nc", format="NETCDF3_64BIT")
    return folder / "a.nc"


def netcdf4(folder: Path) -> Path:
    encoding = {"sst": {"zlib": True, "chunksizes": (1, 36, 72), "dtype": "i2", "scale_factor": 0.01}}
    producers.dataset(4).to_netcdf(folder / "a.nc", encoding=encoding | {"sst": encoding["sst"] | {"_FillValue": -1}})
    return folder / "a.nc"


def geotiff(folder: Path) -> Path:
    options = {"crs": "EPSG:4326", "transform": rasterio.transform.from_origin(10.0, 50.0, 0.01, 0.01)}
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32), np.uint8)
    path = folder / "tile-2020-03-01.tif"
    kind = {
        "driver": "GTiff",
        "dtype": "uint8",
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 16,
        "blockysize": 16,
    }
    with rasterio.open(path, "w", count=3, width=32, height=32, **options, **kind) as raster:
        raster.write(pixels)
    return path


def npz_tiles(folder: Path) -> Path:
    pixels = np.random.default_rng(0).normal(size=(5, 2, 8, 8)).astype(np.float32)
    place = np.linspace(-50.0, 50.0, 5)
    np.savez_compressed(folder / "a.npz", pixels=pixels, lat=place, lon=place, day=np.arange(5) + 1, bands=["a", "b"])
    return folder / "a.npz"


def netcdf_tile(folder: Path) -> Path:
    offsets = (np.arange(8) - 3.5) * 0.01
    coords = {"lat": 10 + offsets, "lon": 20 + offsets, "time": np.datetime64("2020-03-01")}
    values = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    xr.Dataset({"a": (("lat", "lon"), values)}, coords).to_netcdf(folder / "a.nc")
    return folder / "a.nc"


def centres_npy(folder: Path) -> Path:
    np.save(folder / "a.npy", np.random.default_rng(0).uniform(-80, 80, (50, 2)))
    return folder / "a.npy"


def centres_csv(folder: Path) -> Path:
    rows = np.random.default_rng(0).uniform(-80, 80, (50, 2))
    (folder / "a.csv").write_text("lat,lon\n" + "\n".join(f"{lat:.3f},{lon:.3f}" for lat, lon in rows))
    return folder / "a.csv"


def sst_model(folder: Path) -> Path:
    untrained().save(folder / "best.safetensors")
    return folder / "best.safetensors"


def expert_model(folder: Path) -> Path:
    settings = ExpertSettings(num_centres=40, width=16, head_degree=6)
    mixture = MixtureVMF(even_centres(40).float(), torch.full((40,), 5.0), torch.zeros(40), learn_kappa=True)
    model = build(settings, 3, 16, mixture, torch.full((NUM_CLASSES,), 1.0 / NUM_CLASSES), 0)
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    metadata = {"settings": settings.model_dump_json(), "seed": 0, "tiles": "t", "bands": ["r", "g", "b"], "size": 16}
    write_checkpoint(folder / "expert.safetensors", arrays, metadata | {"scores": {}})
    return folder / "expert.safetensors"


def basis(folder: Path) -> Path:
    grid = LatLonGrid.regular(10.0)
    where = torch.zeros(grid.shape, dtype=torch.bool)
    where[3:9] = True
    HarmonicBasis.fit(grid, 4, 8, where=where, domain={"kind": "ocean"}).save(folder / "basis.safetensors")
    return folder / "basis.safetensors"


def config(folder: Path) -> Path:
    (folder / "config.json").write_bytes(RunConfig.demo("sweep").to_json())
    return folder / "config.json"


def embedding_config(folder: Path) -> Path:
    (folder / "embedding.json").write_bytes(config_json(EmbeddingConfig()))
    return folder / "embedding.json"


def sst_scores(folder: Path) -> Path:
    estimate = {"surface": {"sea": {"mae": 0.5, "area": 1.0}}, "month": {"1": {"mae": 0.4}}}
    (folder / "scores.json").write_text(json.dumps({"model": estimate, "mean": estimate}))
    return folder / "scores.json"


def expert_scores(folder: Path) -> Path:
    scores = {
        "error_km": {"median": 900.0}, "within_km": {"750": 0.4, "2500": 0.8}, "nll": 1.0, "area_km2": {"0.5": 1e6},
        "coverage": {"0.5": 0.5, "0.9": 0.9}, "recall": [0.1, 0.5], "climate_accuracy": 0.5,
        "climate_accuracy_coarse": 0.6, "date_error_days": 30.0,
    }  # fmt: skip
    content = {"expert": scores, "prior": scores, "recall_areas_km2": [1e5, 1e6]}
    (folder / "scores.json").write_text(json.dumps(content))
    return folder / "scores.json"


def trials(folder: Path) -> Path:
    trial = {"number": 0, "state": "done", "chosen": {"seed": 1}, "run": None, "value": 0.5, "scores": [0.5], "why": ""}
    content = {"fields": ["seed"], "trials": [trial, {**trial, "number": 1}], "importance": {"seed": 1.0}}
    (folder / "trials.json").write_text(json.dumps(content))
    return folder / "trials.json"


def snapshot(folder: Path) -> Path:
    grid, values = LatLonGrid.regular(10.0), np.random.default_rng(0).normal(size=(18, 36)).astype(np.float16)
    (folder / "snapshots").mkdir()
    names = ("reconstruction", "target", "observed", "error", "std")
    count = np.ones((18, 36), np.uint8)
    write_arrays(
        RunFolder(folder).snapshot(3), {"lat": grid.lat, "lon": grid.lon, "count": count} | dict.fromkeys(names, values)
    )
    return RunFolder(folder).snapshot(3)


# --- opened as we do ------------------------------------------------------------------------------------------------


def open_ocean(path: Path) -> None:
    choice = ocean.SourceChoice("path", path=str(path))
    source = ocean.open_source(choice)
    ocean.day_map(choice, "observed", len(source.days) - 1)


class Kind(NamedTuple):
    """A sound file, and how it is opened; ``content`` says what else than its bytes can be damaged."""

    make: Callable[[Path], Path]
    open: Callable[[Path], object]
    content: str = ""


KINDS = {
    "NetCDF-3": Kind(netcdf3, open_ocean, "netcdf"),
    "NetCDF-4": Kind(netcdf4, open_ocean, "netcdf"),
    "Zarr 2": Kind(lambda folder: producers.zarr(folder, 2, days=4), open_ocean, "zarr"),
    "Zarr 3": Kind(lambda folder: producers.zarr(folder, 3, days=4), open_ocean, "zarr"),
    "GeoTIFF": Kind(geotiff, read_tile),
    "npz tiles": Kind(npz_tiles, read_tile, "npz"),
    "NetCDF tile": Kind(netcdf_tile, read_tile, "netcdf"),
    "npy centres": Kind(centres_npy, read_centres),
    "CSV centres": Kind(centres_csv, read_centres),
    "SST model": Kind(sst_model, ModelBundle.load, "checkpoint"),
    "expert": Kind(expert_model, load_expert, "checkpoint"),
    "basis": Kind(basis, HarmonicBasis.load),
    "configuration": Kind(config, lambda path: RunFolder(path.parent).read_config(), "json"),
    "embedding": Kind(embedding_config, lambda path: config_from_json(path.read_bytes()), "json"),
    "SST scores": Kind(sst_scores, lambda path: final_scores(path.parent), "json"),
    "expert scores": Kind(expert_scores, lambda path: expert_queries.scores(path.parent), "json"),
    "trials": Kind(trials, lambda path: sweep_summary(path.parent), "json"),
    "snapshot": Kind(snapshot, lambda path: snapshot_fields(path.parents[1], 3), "npz"),
}


# --- damage ---------------------------------------------------------------------------------------------------------


def damage(path: Path, kind: Kind, rng: Rng) -> None:
    """Damage a file in place: its bytes, what they mean, or what stands at its path."""
    if rng.random() < 0.06 and kind.open is not KINDS["embedding"].open:  # which arrives as text, not as a file
        replace(path, rng)
    elif kind.content and rng.random() < 0.5:
        CONTENT[kind.content](path, rng)
    else:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        damage_bytes(files[rng.integers(len(files))], rng)


def damage_bytes(path: Path, rng: Rng) -> None:
    data = bytearray(path.read_bytes())
    if not data:
        return
    # most of the meaning is in the first kilobytes
    reach = len(data) if rng.random() < 0.3 else min(len(data), 4000)
    at, size = int(rng.integers(reach)), int(rng.integers(1, 400))
    match int(rng.integers(6)):
        case 0:
            del data[at:]
        case 1:
            for flipped in rng.integers(0, reach, rng.integers(1, 40)):
                data[flipped] ^= 1 << rng.integers(8)
        case 2:
            data[at : at + size] = rng.bytes(size)
        case 3:
            del data[at : at + size]
        case 4:
            data[at:at] = data[at : at + size] * 3
        case _:  # a count becomes huge
            wide = int(rng.choice([2, 4, 8]))
            number = int(rng.integers(1, 2**31)) << int(rng.integers(0, 8 * wide))
            order = "little" if rng.random() < 0.5 else "big"
            data[at : at + wide] = (number % 2 ** (8 * wide)).to_bytes(wide, order)
    path.write_bytes(data)


def replace(path: Path, rng: Rng) -> None:
    """A folder, a named pipe or a loop of links in place of the file."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    match int(rng.integers(3)):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case _:
            path.symlink_to(path)


def damage_json(path: Path, rng: Rng) -> None:
    path.write_text(json.dumps(altered(json.loads(path.read_text()), rng)))


def altered(values: Any, rng: Rng) -> Any:
    """The same values with one to three nodes replaced, removed, or nested deeply."""
    for _ in range(rng.integers(1, 4)):
        places = list(nodes(values))
        if not places:
            return ABSURD[rng.integers(len(ABSURD))]
        holder, key = places[rng.integers(len(places))]
        how = rng.random()
        if how < 0.15 and isinstance(holder, dict):
            del holder[key]
        elif how < 0.2:
            for _ in range(rng.integers(50, 900)):
                holder[key] = [holder[key]]
        else:
            holder[key] = ABSURD[rng.integers(len(ABSURD))]
    return values


def nodes(values: Any) -> Any:
    """(container, key) of every value."""
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in list(items):
        yield values, key
        yield from nodes(value)


def damage_zarr(path: Path, rng: Rng) -> None:
    """Numbers of the metadata, so that shapes, chunks and codecs change."""
    names = ("zarr.json", ".zarray", ".zattrs", ".zmetadata", ".zgroup")
    files = sorted(file for file in path.rglob("*") if file.name in names and file.is_file())
    damage_json(files[rng.integers(len(files))], rng)


def damage_netcdf(path: Path, rng: Rng) -> None:
    """Variables that are huge and never written, absurd attributes, kinds of values that we do not read."""
    with netCDF4.Dataset(path, "a") as file, suppress(RuntimeError, ValueError, TypeError, OSError, AttributeError):
        is_classic = file.data_model != "NETCDF4"
        name = str(rng.choice([name for name in file.variables if name != "spatial_ref"]))
        match int(rng.integers(5)):
            case 0:
                absurd = [
                    "",
                    "days since",
                    np.float64(np.nan),
                    np.int32(-1),
                    np.arange(5.0),
                    "K",
                    "1e400",
                    "x" * 60_000,
                ]
                keys = ["units", "scale_factor", "add_offset", "valid_range", "missing_value", "calendar", "axis"]
                file.variables[name].setncattr(str(rng.choice(keys)), absurd[rng.integers(len(absurd))])
            case 1:
                file.renameVariable(name, f"{name}_old")
                file.createDimension("long", 10**9 if not is_classic else 2**28)
                held = file.createVariable(name, "f8" if not is_classic else "i1", ("long",))
                held.units = "days since 2000-01-01"
            case 2:
                file.createDimension("deep", 10**8 if not is_classic else 2**27)
                options = {} if is_classic else {"zlib": True, "chunksizes": (10**8,)}
                file.createVariable("deep", "i1", ("deep",), **options)
            case 3:
                for number in range(30):
                    file.createDimension(f"d{number}", 2)
                file.createVariable("sst2", "f4", tuple(f"d{number}" for number in range(30))).units = "degC"
            case _ if not is_classic:
                file.createVariable("lists", file.createVLType("i4", "list"), ("lat",))
                record = file.createCompoundType(np.dtype([("a", "f8"), ("b", "i4", 4)]), "record")
                file.createVariable("records", record, ("lat",))
            case _:
                file.renameVariable(name, "other")


def damage_npz(path: Path, rng: Rng) -> None:
    """An array that declares another shape or type than it holds, is missing, or is something else."""
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    name = str(rng.choice(list(arrays)))
    how = int(rng.integers(4))
    if how == 0:
        del arrays[name]
    elif how == 1:
        arrays[name] = [np.array("text"), np.empty((0, 3)), np.full((2, 2, 2), np.nan), np.array(np.inf)][
            rng.integers(4)
        ]
    elif how == 2:
        arrays[name] = np.zeros(30_000_000, np.uint8)  # 30 kB when compressed
    np.savez_compressed(path, **arrays)
    if how == 3:
        forge_header(path, name)


def forge_header(path: Path, name: str) -> None:
    """The header of one array declares a terabyte."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (10**6, 10**5), "fortran_order": False, "descr": "<f8"})
    members[f"{name}.npy"] = header.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def damage_checkpoint(path: Path, rng: Rng) -> None:
    """A file whose checksums are right and whose metadata or arrays are not."""
    kept = read_checkpoint(path)
    assert kept is not None
    arrays, metadata = dict(kept.arrays), kept.metadata
    if rng.random() < 0.5:
        metadata = altered(metadata, rng)
    else:
        name = str(rng.choice(list(arrays)))
        arrays[name] = [np.zeros(3), np.zeros((2, 2), np.int64), np.zeros(0, np.float32)][rng.integers(3)]
    if isinstance(metadata, dict):
        write_checkpoint(path, arrays, metadata)


CONTENT = {
    "json": damage_json, "zarr": damage_zarr, "netcdf": damage_netcdf, "npz": damage_npz,
    "checkpoint": damage_checkpoint,
}  # fmt: skip


# --- the process ----------------------------------------------------------------------------------------------------


def main() -> None:
    folder, first, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("ignore")
    for number in range(first, stop):
        name = list(KINDS)[number % len(KINDS)]
        kind, room = KINDS[name], folder / str(number)
        room.mkdir()
        path = kind.make(room)
        damage(path, kind, np.random.default_rng(number))
        print(json.dumps({"number": number, "kind": name}), flush=True)
        before = peak_bytes()
        outcome, text = attempt(kind, path)
        print(json.dumps({"outcome": outcome, "text": text, "grown": peak_bytes() - before}), flush=True)
        shutil.rmtree(room, ignore_errors=True)


def attempt(kind: Kind, path: Path) -> tuple[str, str]:
    try:
        kind.open(path)
    except EngineError as error:
        return "refused", str(error)
    except Exception:
        return "error", traceback.format_exc()
    return "opened", ""


def peak_bytes() -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
