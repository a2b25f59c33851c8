"""What stands in the way of a training of given settings on a given source, and the settings that would run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from pydantic import ValidationError

from engine.config.months import months_in, span_text
from engine.config.sst import SPLITS, DemoSource, SSTSettings
from engine.errors import EngineError
from engine.files import home_folder
from engine.queries.train.cost import month_bytes, prepared_bytes
from engine.queries.train.observed import SourceOverview
from engine.queries.train.splits import allocate

if TYPE_CHECKING:
    from engine.models.spatiotemporal.estimate import ResourceEstimate
    from engine.training.sst.windows import Windows

_MEMORY_SHARE = 0.7  # of what is free
_DISK_SHARE = 0.9
_TITLES = {"climatology": "Climatology", "train": "Training", "validation": "Validation", "test": "Test"}


@dataclass(frozen=True)
class Remedy:
    """What a button says, and the settings it gives; or the page that helps where no settings do."""

    label: str
    settings: SSTSettings | None = None
    page: str = ""


@dataclass(frozen=True)
class Problem:
    """Why a training cannot run, a sentence, and what would make it right, the most fitting first."""

    text: str
    remedies: tuple[Remedy, ...]


def problems_of(settings: SSTSettings, overview: SourceOverview) -> list[Problem]:
    """Everything that a training of ``settings`` would be refused for, as far as its overview shows."""
    problem = _no_days(settings, overview)
    if problem is not None:
        return [problem]
    checks = (_months, _samples, _targets, _patches, _basis, _box, _memory, _disk, _devices)
    return [problem for check in checks for problem in check(settings, overview)]


def changed(settings: SSTSettings, **changes: Any) -> SSTSettings:
    """``settings`` with some fields changed, checked. Raises pydantic's ``ValidationError`` where they clash."""
    return SSTSettings.model_validate(dict(settings) | changes)


def on_demo(settings: SSTSettings) -> SSTSettings:
    """The same training on the demo ocean."""
    fields = SSTSettings.model_fields
    spans = {name: fields[name].default for name in SPLITS}
    return changed(settings, source=DemoSource(), gap_days=fields["gap_days"].default, held_out_box=None, **spans)


def window_boxes(settings: SSTSettings, overview: SourceOverview) -> tuple[tuple[float, float, float, float], ...]:
    """(south, north, west, east), degrees, of the windows that hold sea; east may be beyond 180."""
    try:
        windows = _windows(settings, overview)
    except EngineError:  # patch and overlap do not go with the window: a problem of its own
        return ()
    boxes: list[tuple[float, float, float, float]] = []
    for corner in windows.corners:
        if not windows.cut(overview.land, corner).all():
            grid = windows.coordinates(corner)
            lat = np.clip(grid.lat_bounds, -90.0, 90.0)
            west = (float(grid.lon[0] - grid.lon_step / 2.0) + 180.0) % 360.0 - 180.0
            boxes.append((float(lat.min()), float(lat.max()), west, west + grid.lon_step * grid.lon.size))
    return tuple(boxes)


def step_estimate(settings: SSTSettings) -> ResourceEstimate:
    """Memory and time of one step, from the number of operations."""
    from engine.models.spatiotemporal.estimate import estimate

    is_bf16 = settings.precision == "bfloat16"
    return estimate(settings.model, settings.window, settings.months, settings.batch, bf16=is_bf16)


def within_memory(settings: SSTSettings) -> SSTSettings:
    """The settings with a smaller batch, then smaller windows, until a step fits into the free memory."""
    while too_much_memory(settings) and (smaller := _lighter(settings)) is not None:
        settings = smaller
    return settings


def too_much_memory(settings: SSTSettings) -> str:
    """A sentence where a step takes more memory than is free; else empty."""
    needed, free = step_estimate(settings).memory_bytes, psutil.virtual_memory().available
    if needed <= _MEMORY_SHARE * free:
        return ""
    return f"A step needs {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free"


def _no_days(settings: SSTSettings, overview: SourceOverview) -> Problem | None:
    demo = (Remedy("Train on the demo ocean", on_demo(settings)),)
    if not overview.months:
        return Problem(f"{overview.name} has no daily fields: a model learns to make months from days", demo)
    if not overview.observed:
        return Problem(f"{overview.name} holds no observation in any month", demo)
    if overview.land.all():
        place, left_out = overview.variable.place, overview.variable.left_out
        return Problem(f"{overview.name} has no {place}: every cell is {left_out}", demo)
    return None


def _months(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """Splits outside the file, and splits without an observation."""
    known, observed = {share.month for share in overview.months}, {str(month) for month in overview.observed}
    for name in SPLITS:
        span = getattr(settings, name)
        months = [str(month) for month in months_in(span)]
        if not {span[0], span[1]} <= known:
            text = f"{_TITLES[name]} {span_text(span)} lies beyond the file's months {span_text(overview.span)}"
        elif not observed.intersection(months):
            text = f"{_TITLES[name]} {span_text(span)} holds no observation"
        else:
            continue
        yield Problem(text, (*_other_months(settings, overview), Remedy("Train on the demo ocean", on_demo(settings))))


def _other_months(settings: SSTSettings, overview: SourceOverview) -> Iterator[Remedy]:
    """The months that would be proposed, with the settings' own gap or, where they are too few, without one."""
    for gap_days, least in ((settings.gap_days, 6), (settings.gap_days, 1), (0, 1)):
        splits = allocate(overview.observed, gap_days, least_train=max(least, settings.months))
        if splits is not None:
            label = f"Train on {span_text(splits.train)}, test on {span_text(splits.test)}"
            label += "" if gap_days == settings.gap_days else ", without gaps"
            yield Remedy(label, changed(settings, gap_days=gap_days, **splits.changes()))
            return


def _samples(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """Samples longer than the training."""
    known = {share.month for share in overview.months}
    num = sum(str(month) in known for month in settings.months_of("train"))
    if 0 < num < settings.months:
        text = f"A sample of {settings.months} months does not fit into {num} training months"
        yield Problem(text, (Remedy(f"Samples of {num} months", changed(settings, months=num)),))


def _targets(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """Without true means, what is learned and scored is the mean of hidden days."""
    if overview.knows_mean:
        return
    if not settings.extra_clouds:
        text = "There is nothing to learn from: the true means of the months are not known, and no days are hidden"
        yield Problem(text, (Remedy("Hide a tenth of the observations", changed(settings, extra_clouds=0.1)),))
    if not settings.withheld_fraction:
        text = "There is nothing to score on: the true means of the months are not known, and no days are withheld"
        yield Problem(text, (Remedy("Withhold 5 % of the cell-months", changed(settings, withheld_fraction=0.05)),))


def _patches(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """Patches larger than the grid."""
    days, *sides = settings.model.patch
    shape = overview.grid.shape
    if all(side <= length for side, length in zip(sides, shape, strict=True)):
        return
    rows, columns = (min(side, length) for side, length in zip(sides, shape, strict=True))
    overlap = min(settings.model.overlap, rows, columns)
    model = settings.model.model_copy(update={"patch": (days, rows, columns), "overlap": overlap})
    window = tuple(
        max(1, min(size, length) // side) * side
        for size, length, side in zip(settings.window, shape, (rows, columns), strict=True)
    )
    smaller = changed(settings, model=model, window=window, overlap=min(settings.overlap, min(window) // 2))
    text = f"A patch of {sides[0]} × {sides[1]} cells is larger than the grid of {shape[0]} × {shape[1]}"
    yield Problem(text, (Remedy(f"Patches of {rows} × {columns} cells", smaller),))


def _basis(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """More components of the position embedding than the ocean determines."""
    from engine.training.sst.positions import fit_basis

    del overview
    model = settings.model
    if model.encoder != "harmonic" or 2 * model.num_components <= (settings.basis_degree + 1) ** 2:
        return
    most = (settings.basis_degree + 1) ** 2 - 1
    try:
        if model.num_components <= most:
            fit_basis(model, settings.basis_degree)
            return
        text = f"Degree {settings.basis_degree} has {most} components, fewer than {model.num_components}"
    except EngineError as error:
        text = f"At degree {settings.basis_degree} {error.problem}"
    degree = int(np.ceil((2 * model.num_components) ** 0.5))
    few = max(1, (settings.basis_degree + 1) ** 2 // 2)
    remedies = [Remedy(f"{few} components", changed(settings, model=model.model_copy(update={"num_components": few})))]
    if degree <= 80:
        remedies.insert(0, Remedy(f"Degree {degree}", changed(settings, basis_degree=degree)))
    yield Problem(text, tuple(remedies))


def _box(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """A held-out box that leaves no sea to learn from."""
    from engine.training.sst.samples import in_box

    box = settings.held_out_box
    if box is not None and not (~overview.land & ~in_box(overview.grid, box)).any():
        text = f"The held-out box covers the whole {overview.variable.place}: there is none left to learn from"
        yield Problem(text, (Remedy("Hold no box out", changed(settings, held_out_box=None)),))


def _memory(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """A step that does not fit into the free memory; on a GPU its own memory counts, which a dry run measures."""
    del overview
    if _uses_gpu(settings) or not (text := too_much_memory(settings)):
        return
    smaller = within_memory(settings)
    remedies: list[Remedy] = []
    if not too_much_memory(smaller):
        rows, columns = smaller.window
        remedies.append(Remedy(f"Windows of {rows} × {columns} cells, {smaller.batch} at a time", smaller))
    remedies.append(Remedy("The smallest model", within_memory(_tiny(settings))))
    yield Problem(text, tuple(remedies))


def _tiny(settings: SSTSettings) -> SSTSettings:
    """The smallest preset with the settings' own patch."""
    from engine.config.model import SpatioTemporalConfig

    model = settings.model
    tiny = SpatioTemporalConfig.preset("tiny", patch=model.patch, overlap=model.overlap, uncertainty=model.uncertainty)
    return changed(settings, model=tiny)


def _disk(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """Prepared months that do not fit on the disk."""
    free = shutil.disk_usage(_existing(home_folder())).free
    needed = prepared_bytes(settings, overview)
    if needed <= _DISK_SHARE * free:
        return
    text = f"The prepared months take {needed / 1e9:.0f} GB; {free / 1e9:.0f} GB of the disk are free"
    num_fitting = int(_DISK_SHARE * free / month_bytes(overview))
    observed = overview.observed[-num_fitting:] if num_fitting else []
    splits = allocate(observed, settings.gap_days, max(1, settings.months)) if observed else None
    remedies = [Remedy("Train on the demo ocean", on_demo(settings))]
    if splits is not None:
        label = f"Train on {span_text(splits.train)}, test on {span_text(splits.test)}"
        remedies.insert(0, Remedy(label, changed(settings, **splits.changes())))
    yield Problem(text, tuple(remedies))


def _existing(folder: Any) -> Any:
    """The folder, or the nearest one above it that exists."""
    return folder if folder.exists() else _existing(folder.parent)


def _devices(settings: SSTSettings, overview: SourceOverview) -> Iterator[Problem]:
    """GPUs that this machine lacks."""
    import torch

    del overview
    num = torch.cuda.device_count()
    if settings.accelerator == "gpu" and num < settings.devices:
        text = f"This machine has {num} GPUs; {settings.devices} are asked for" if num else "This machine has no GPU"
        fitting = changed(settings, accelerator="gpu" if num else "auto", devices=max(1, num))
        yield Problem(text, (Remedy(f"Use {num} GPUs" if num else "Use the processor", fitting),))


def _uses_gpu(settings: SSTSettings) -> bool:
    import torch

    return settings.accelerator != "cpu" and torch.cuda.is_available()


def _lighter(settings: SSTSettings) -> SSTSettings | None:
    """Half the batch, with its gradients accumulated, else the longer side of the window; None where both are least."""
    if settings.batch > 1:
        return changed(settings, batch=settings.batch // 2, accumulate=2 * settings.accumulate)
    sides = settings.model.patch[1:]
    longer = 0 if settings.window[0] > settings.window[1] else 1
    half = max(1, settings.window[longer] // (2 * sides[longer])) * sides[longer]
    if half == settings.window[longer]:
        return None
    window = (half, settings.window[1]) if longer == 0 else (settings.window[0], half)
    try:
        return changed(settings, window=window, overlap=min(settings.overlap, min(window) // 2))
    except ValidationError:
        return None


def _windows(settings: SSTSettings, overview: SourceOverview) -> Windows:
    from engine.training.sst.windows import Windows

    return Windows.of(overview.grid, settings.window, settings.overlap, settings.model.patch[1:])
