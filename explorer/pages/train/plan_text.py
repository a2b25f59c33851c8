"""The texts of a planned training, from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.config.sst import SSTSettings
from engine.queries.ocean import SST
from engine.queries.text import counted, duration
from engine.queries.train.plans import Plan, SizeOffer
from explorer.pages.train.planning import Outlook
from explorer.pages.train.timeline import NAMES, Span
from explorer.widgets.text import LabelledValue, number, paragraphs, table

AWAITED = "The settings follow as soon as the source has been looked at."
PLANNING = "The source is looked at: its months, its observations, and the time of a step on this machine."
ABANDONED = "The training is not planned."
NO_COST = "Costs are estimated for reconstructions only."
_ORDER = ("train", "validation", "test", "climatology")


def spans(settings: SSTSettings) -> list[Span]:
    """The splits of settings for the time line."""
    return [(name, *getattr(settings, name)) for name in _ORDER]


def outlines(windows: Sequence[tuple[float, float, float, float]]) -> list[list[float]]:
    """Windows (south, north, west, east) as the globe outlines them: south, north, west and width, degrees."""
    return [[south, north, west, (east - west) % 360.0 or 360.0] for south, north, west, east in windows]


def size_text(sizes: Sequence[SizeOffer], chosen: str) -> str:
    """HTML of what the chosen size can do in the time, and why others are not offered."""
    lines = [(f"{offer.text}.", False) for offer in sizes if offer.name == chosen and not offer.reason]
    for reason in dict.fromkeys(offer.reason for offer in sizes if offer.reason):
        names = [offer.name for offer in sizes if offer.reason == reason]
        lines.append((f"{', '.join(names).capitalize()}: {reason}.", chosen in names))
    return paragraphs(lines)


def size_labels(epochs: Mapping[str, int], names: Sequence[str]) -> dict[str, str]:
    """The sizes to choose from, ``{label: size}``; ``epochs`` of each, as far as they are known, 0 = not offered."""

    def label(name: str) -> str:
        known = epochs.get(name)
        count = "" if known is None else ", not offered" if not known else f", {counted(known, 'epoch')}"
        return name.capitalize() + count

    return {label(name): name for name in names}


def details(outlook: Outlook) -> str:
    """HTML of what the training will do: its cost, its months, its windows and its notes."""
    plan = outlook.plan
    notes = paragraphs([(note, False) for note in outlook.notes])
    if plan is None or plan.problems:
        return notes
    return f"<h2>What will happen</h2>{paragraphs([(headline(plan), False)])}{table(rows(plan))}{_notes(notes)}"


def _notes(notes: str) -> str:
    return f'<h2 style="margin-top:12px">To keep in mind</h2>{notes}' if notes else ""


def headline(plan: Plan) -> str:
    """The plan in a sentence."""
    months = {split.name: split.num_months for split in plan.splits}
    epochs = counted(plan.settings.epochs, "epoch")
    takes = "" if plan.cost is None else f", about {duration(plan.cost.seconds_total)} on this machine"
    return (
        f"A model learns monthly means from {counted(months['train'], 'month')} of days with gaps in "
        f"{epochs}{takes}. It is tested on {counted(months['test'], 'month')} that it has not seen."
    )


def rows(plan: Plan) -> list[tuple[str, str]]:
    """Months, windows and cost of a plan."""
    settings, cost = plan.settings, plan.cost
    height, width = settings.window
    listed = [(NAMES[split.name], f"{_span(split.first, split.last)}, {counted(split.num_months, 'month')}")
             for name in _ORDER for split in plan.splits if split.name == name]  # fmt: skip
    observed = [share.fraction for share in plan.observed if settings.train[0] <= share.month <= settings.train[1]]
    if observed:
        percent = number(100.0 * sum(observed) / len(observed))
        listed.append(("Observed in training", f"{percent} % of the {place_of(plan)} on a mean day"))
    listed.append(("Windows", f"{len(plan.windows)} of {height} × {width} cells"))
    if cost is not None:
        listed += [
            ("Model", f"{number(cost.num_parameters)} parameters"),
            ("Time", f"about {duration(cost.seconds_total)}"),
            ("Memory of a step", _memory(cost.memory_bytes)),
            ("Disk", f"{cost.disk_bytes / 1e6:.0f} MB"),
        ]
    return listed


def place_of(plan: Plan | None) -> str:
    """Where the variable of a plan has values: sea, land or grid."""
    return (SST if plan is None or plan.overview is None else plan.overview.variable).place


def _memory(num_bytes: int) -> str:
    """Two digits: two measurements of a step differ in the third."""
    return f"about {number(float(f'{num_bytes / 2**20:.2g}'))} MiB"


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def readout(outlook: Outlook) -> list[LabelledValue]:
    """The read-out below the map of a plan."""
    plan = outlook.plan
    if plan is None:
        return []
    pairs: list[LabelledValue] = [("Windows over the data", number(len(plan.windows)), "")]
    if plan.cost is not None:
        pairs.append(("Training", duration(plan.cost.seconds_total), ""))
    return pairs
