"""Opening real layouts at full size: a 40-year archive, a new day, a series at a point. Values are sparse on disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
import zarr

from engine.data.calendar import by_month
from engine.data.sst import open_sst
from tests.benchmarks import Row, peak_mb_above_base, seconds

YEARS = 40
MONTHS = 12 * YEARS
DAYS = 14_610
HEIGHT, WIDTH = 720, 1440
FIRST = np.datetime64("1982-01-01", "D")


def rows() -> Iterator[Row]:
    """The limits of issue 5 for readers; the naive way is xarray's ``open_mfdataset`` and the same first map."""
    with tempfile.TemporaryDirectory(prefix="harmonia-bench-") as folder:
        archive = monthly_archive(Path(folder, "archive"))
        naive = once(lambda: naive_first_map(archive))
        yield Row(
            f"open {MONTHS} monthly files, 0.25°, to the first map",
            once(lambda: first_map(archive)),
            "s",
            naive=naive,
            target_figure=10.0,
            note="naive: open_mfdataset; no unit, land or duplicates checked",
        )
        warm = monthly_archive(Path(folder, "small"), months=1)
        peak = peak_mb_above_base(walk, archive, warm=Warm(warm))
        yield Row("the same and 60 more days, memory above base", peak, "MB", target_figure=500.0)
        source = open_sst(archive)
        yield Row("by_month of its 40 years, lazily", seconds(lambda: by_month(source.daily)), "s")

        by_day = open_sst(zarr_store(Path(folder, "day.zarr"), days=40, chunks=(1, HEIGHT, WIDTH), full=True)).daily
        days = iter(range(10_000))
        yield Row(
            "a new day from a Zarr chunked by day, 0.25°",
            1e3 * seconds(lambda: by_day[next(days) % 40].load()),
            "ms",
            target_figure=150.0,
        )
        in_space = open_sst(zarr_store(Path(folder, "space.zarr"), days=DAYS, chunks=(DAYS, 16, 16), full=False)).daily
        yield Row(
            "40 years at a point from a Zarr chunked in space",
            1e3 * seconds(lambda: in_space[:, 360, 720].load()),
            "ms",
            target_figure=300.0,
        )


def once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Warm:
    """Opens one file, so that libraries count as base."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> None:
        first_map(self.path)


def first_map(archive: Path) -> np.ndarray:
    return open_sst(archive).daily[DAYS // 2 if archive.name == "archive" else 0].values


def walk(archive: Path) -> None:
    daily = open_sst(archive).daily
    for day in range(0, DAYS, DAYS // 60):
        daily[day].load()


def naive_first_map(archive: Path) -> np.ndarray:
    with xr.open_mfdataset(sorted(archive.glob("*.nc")), combine="by_coords", chunks={"time": 1}) as dataset:
        return dataset["sst"][DAYS // 2].values


def monthly_archive(folder: Path, months: int = MONTHS) -> Path:
    """Files of a month each in OISST's packing; two days of each hold values, the rest are fill."""
    folder.mkdir()
    step = 0.25
    day = np.full((HEIGHT, WIDTH), 1234, "i2")
    day[300:400, 100:400] = -999
    for month in range(months):
        first = (FIRST.astype("datetime64[M]") + month).astype("datetime64[D]")
        size = int(((first.astype("datetime64[M]") + 1).astype("datetime64[D]") - first).astype(int))
        name = folder / f"oisst-{str(first)[:7].replace('-', '')}.nc"
        with netCDF4.Dataset(name, "w") as file:
            for dim, length in (("time", None), ("zlev", 1), ("lat", HEIGHT), ("lon", WIDTH)):
                file.createDimension(dim, length)
            axes = {
                "time": (
                    np.arange(size) + int((first - np.datetime64("1978-01-01")).astype(int)),
                    "days since 1978-01-01 12:00:00",
                ),
                "lat": (np.arange(-90.0 + step / 2, 90.0, step), "degrees_north"),
                "lon": (np.arange(step / 2, 360.0, step), "degrees_east"),
            }
            for axis, (values, units) in axes.items():
                variable = file.createVariable(axis, "f4", (axis,))
                variable.units = units
                variable[:] = values
            dims, chunks = ("time", "zlev", "lat", "lon"), (1, 1, HEIGHT, WIDTH)
            sst = file.createVariable("sst", "i2", dims, zlib=True, chunksizes=chunks, fill_value=-999)
            sst.set_auto_maskandscale(False)
            sst.setncatts({"units": "Celsius", "scale_factor": np.float32(0.01), "add_offset": np.float32(0.0)})
            sst[0, 0] = day
            sst[size // 2, 0] = day
    return folder


def zarr_store(path: Path, days: int, chunks: tuple[int, int, int], full: bool) -> Path:
    """Daily float32 at 0.25°: noise that compresses as real fields do, in all chunks or in two of them."""
    rng = np.random.default_rng(0)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    sst = group.create_array("sst", shape=(days, HEIGHT, WIDTH), chunks=chunks, dtype="f4", fill_value=np.nan)
    sst.attrs.update({"units": "degC", "_ARRAY_DIMENSIONS": ["time", "lat", "lon"]})
    if full:
        noise = rng.normal(15.0, 5.0, (HEIGHT, WIDTH)).round(2).astype("f4")
        for day in range(days):
            sst[day] = noise + np.float32(day / 100.0)
    else:
        for patch, columns in ((slice(0, 16), slice(0, 16)), (slice(352, 368), slice(720, 736))):
            sst[:, patch, columns] = rng.normal(28.0, 1.0, (days, 16, 16)).round(2).astype("f4")
    axes = {
        "time": (np.arange(days), "days since 1982-01-01"),
        "lat": (np.arange(-89.875, 90.0, 0.25), "degrees_north"),
        "lon": (np.arange(-179.875, 180.0, 0.25), "degrees_east"),
    }
    for axis, (values, units) in axes.items():
        array = group.create_array(axis, shape=values.shape, dtype="f8")
        array[:] = values
        array.attrs.update({"units": units, "_ARRAY_DIMENSIONS": [axis]})
    return path
