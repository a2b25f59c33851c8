"""The Tokens page's view-model: the model, its layer, the month, the picked patch and the examples of a search."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import param

from engine.queries.tokens import (
    MOST_EXAMPLES,
    POOLINGS,
    PRETRAINED,
    TRANSFORMS,
    WEIGHTS,
    PatchExample,
    TokenRequest,
)
from engine.queries.tokens.chip import CONDITIONS
from explorer.page_model import SourceModel, address_keys
from explorer.session import Query

SIMILARITY, COLOURS, FIELD = "similarity", "colours", "field"
PANELS = ("cosines", "field", "context", "search", "verdict", "chip", "file")
APART = ("chip", "file")
"""Tabs that show no tokens of the map."""

MAX_CHIP = 199
PICK, LIKE, UNLIKE = "pick", "like", "unlike"
LAYERS = ("encoder", "time", *(f"block{number}" for number in range(1, 13)), "output")
_FIRST_MONTH = "2001-01-01"
_MOST_PATH = 1000
_PLACE = (20.0, -28.0)


class TokensModel(SourceModel):
    """State. ``choice`` is the source that the model was trained on, and is not in the address.

    ``wanted_month`` is the month of the address until the months of the source are known.
    """

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "show layer pool=pooling cos=transform weights how span panel map=projection chip house seen window sample cell"
    )

    # state
    run = param.String(default=PRETRAINED, doc="the model: the shipped one or the id of a run")
    months = param.ClassSelector(class_=tuple, default=(_FIRST_MONTH,), doc="first days of the source's months")
    month = param.Integer(default=0, bounds=(0, 1), doc="index of the month on screen")
    wanted_month = param.String(default="", doc="month of the address, until the months are known")
    show = param.Selector(default=SIMILARITY, objects=[SIMILARITY, COLOURS, FIELD])
    layer = param.Selector(default="output", objects=list(LAYERS))
    pooling = param.Selector(default="patch", objects=list(POOLINGS))
    transform = param.Selector(default="raw", objects=list(TRANSFORMS))
    weights = param.Selector(default="trained", objects=list(WEIGHTS))
    how = param.Selector(default="gradient", objects=["gradient", "occlusion"])
    span = param.Selector(default="month", objects=["month", "year"], doc="the months that are searched")
    place = param.Tuple(default=_PLACE, length=2, doc="a place in the picked patch: degrees N, E")
    panel = param.Selector(default="cosines", objects=list(PANELS))

    chip_run = param.String(default="", doc="the autoencoder of the chip: the one that comes along or the id of a run")
    chip = param.Integer(default=3, bounds=(0, MAX_CHIP), doc="number of the painted chip")
    house = param.Selector(default="with", objects=["with", "without"], doc="whether its house is painted")
    seen = param.Selector(default="all", objects=list(CONDITIONS), doc="which windows of the chip the encoder reads")
    window = param.Integer(default=-1, bounds=(-1, 63), doc="the picked window of the chip; −1: that of the house")

    file = param.String(default="", doc="a file of tokens: its path below a folder of data, or an upload's name")
    sample = param.Integer(default=0, bounds=(0, 10**6), doc="the sample of the file on screen")
    cell = param.Integer(default=0, bounds=(0, 10**6), doc="the picked patch of the file, row by row")

    # what is not in the address
    chip_place = param.Selector(default="with", objects=["with", "without"], doc="whether a training reads the place")
    layers = param.ClassSelector(class_=tuple, default=LAYERS, doc="the layers of the model")
    click = param.Selector(default=PICK, objects=[PICK, LIKE, UNLIKE], doc="what a click on the map does")
    examples = param.ClassSelector(class_=tuple, default=(), doc="examples of the search")

    # capabilities
    def is_enabled(self, name: str) -> bool:
        """Options without effect on the screen are left out."""
        if name == "how":
            return self.show == FIELD or self.panel == "field"
        if name in ("chip", "house", "seen", "window"):
            return self.panel == "chip"
        if name in ("sample", "cell"):
            return self.panel == "file"
        return name != "span" or self.panel == "search"

    # derived
    @property
    def iso(self) -> str:
        """ISO date of the first day of the month on screen."""
        return self.wanted_month or self.months[min(self.month, len(self.months) - 1)]

    @property
    def request(self) -> TokenRequest:
        """The query of what is on screen."""
        year, month, _ = self.iso.split("-")
        return TokenRequest(self.run, self.choice, int(year), int(month), self.weights)

    def clamp(self) -> None:
        """The layer exists."""
        if self.layer not in self.layers:
            self.layer = "output"

    # address
    def extra_names(self) -> list[str]:
        """Model, month, place."""
        return ["run", "month", "months", "wanted_month", "place", "layers", "chip_run", "file"]

    def write_extra(self, address: dict[str, str]) -> None:
        """``run``, ``month`` and ``place``."""
        address["run"] = self.run
        address["month"] = self.iso[:7]
        self.write_place(address)
        if self.chip_run and self.panel == "chip":
            address["autoencoder"] = self.chip_run
        if self.file and self.panel == "file":
            address["file"] = self.file

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """Model, month and place of an address."""
        self.read_run(query, changes)
        self.read_run(query, changes, "autoencoder", "chip_run")
        if query.get("file", "").isprintable():
            changes["file"] = query.get("file", "")[:_MOST_PATH]
        if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", query.get("month", "")):
            changes["wanted_month"] = f"{query['month']}-01"
        elif "month" in query:
            self.notes.append(f"month={query['month'][:20]} in the address is not a month")
        self.read_place(query, "place", changes)

    # actions
    def take_months(self, months: tuple[str, ...]) -> None:
        """Use the months of a source, on the month of the address, the one on screen, or its last July."""
        wanted, self.wanted_month = self.wanted_month or self.iso, ""
        summers = [name for name in months if name[5:7] == "07"] or [months[-1]]
        self.months = months
        self.bound("month", 0, max(1, len(months) - 1))
        self.month = months.index(wanted if wanted in months and wanted != _FIRST_MONTH else summers[-1])

    def add_example(self, lat: float, lon: float, is_positive: bool) -> None:
        """Add a patch of the month on screen to the examples of the search; the oldest of too many goes."""
        example = PatchExample(self.request.year, self.request.month, lat, lon, is_positive)
        self.examples = (*self.examples, example)[-MOST_EXAMPLES:]
