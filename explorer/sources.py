"""The source of a session: what the chips of its pages show, and the sources that their menus offer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from engine.config.sst import SSTSettings
from engine.errors import EngineError
from engine.queries import ocean
from engine.queries.cache import Progress
from engine.queries.ocean import SourceChoice, SourceSummary
from engine.runs import RunRecord
from explorer.background import LatestTask, unseen
from explorer.registry import Registry
from explorer.runs_panel import title
from explorer.session import Session
from explorer.widgets.requests import Request
from explorer.widgets.source_chip import SourceChip
from explorer.widgets.text import number

_MOST_RUNS = 5
OPEN_FILE = "Open a file …"


@dataclass(frozen=True)
class Entry:
    """An entry of the menu; ``choice`` is None for the one that leads to the page Data."""

    heading: str
    detail: str
    choice: SourceChoice | None


class SessionSources:
    """Describes the session's source off the event loop, and opens the one that is chosen in a menu.

    A source becomes the session's once it is open, so that a page never holds one that cannot be read.
    """

    def __init__(self, session: Session, registry: Registry) -> None:
        self._session = session
        self._registry = registry
        self._chips: list[SourceChip] = []
        self._entries: tuple[Entry, ...] = ()
        self._known: dict[SourceChoice, Entry] = {}
        self._heading, self._detail = "", ""
        self._reading = LatestTask(unseen, self._show_failure)
        self._opening = LatestTask(unseen, self._refuse)
        session.param.watch(lambda _: self._describe(), "source")

    def chip(self) -> SourceChip:
        """A chip for the head of a page. The first one starts to read the source."""
        chip = SourceChip(self._answer, margin=0, css_classes=["source"])
        self._chips.append(chip)
        if len(self._chips) == 1:
            self._describe()
        self._draw()
        return chip

    def _draw(self) -> None:
        waits = self._reading.running or self._opening.running
        for chip in self._chips:
            chip.param.update(heading=self._heading, detail=self._detail, is_waiting=waits)

    # the source in use

    def _describe(self) -> None:
        choice = self._session.source
        if not self._chips:
            return
        self._opening.cancel()
        self._heading, self._detail = plain_name(choice), "Opening …"
        self._reading.start(partial(_described, choice), self._take)
        self._draw()

    def _take(self, described: tuple[SourceSummary, float]) -> None:
        summary, percent = described
        self._heading, self._detail = summary.name, detail(summary, percent)
        self._known[summary.choice] = Entry(summary.name, self._detail, summary.choice)
        self._draw()

    def _show_failure(self, error: Exception) -> None:
        self._detail = error.problem if isinstance(error, EngineError) else "It cannot be read"
        self._draw()

    # the menu

    def _answer(self, request: Request) -> None:
        if request["action"] == "open":
            self._list()
        elif 0 <= request["index"] < len(self._entries):
            self._choose(self._entries[request["index"]])

    def _list(self) -> None:
        """Offer the demo ocean, the sources of this session, and those that runs have learned from."""
        known = {SourceChoice(): Entry("Demo ocean, 1°", "Synthetic, truth known", SourceChoice()), **self._known}
        for record in self._trainings():
            with suppress(EngineError):  # a source that no page can choose, or a configuration that cannot be read
                choice = self._trained_on(record)
                known.setdefault(choice, Entry(plain_name(choice), f"The source of {title(record)}", choice))
        self._entries = (*known.values(), Entry(OPEN_FILE, "From this computer or the server", None))
        now = self._session.source
        rows = [
            {"heading": entry.heading, "detail": entry.detail, "is_current": entry.choice == now}
            for entry in self._entries
        ]
        for chip in self._chips:
            chip.entries = rows

    def _trainings(self) -> list[RunRecord]:
        records = [record for record in self._registry.records.values() if record.task == "sst"]
        return sorted(records, key=lambda record: record.id, reverse=True)[:_MOST_RUNS]

    def _trained_on(self, record: RunRecord) -> SourceChoice:
        settings = self._registry.store.get(record.id).config.settings
        assert isinstance(settings, SSTSettings)
        return ocean.source_choice(settings.source)

    def _choose(self, entry: Entry) -> None:
        choice = entry.choice
        self._opening.cancel()  # a newer choice, also of the present source
        if choice is None:
            self._session.go("data", {"open": "upload"})
        elif choice != self._session.source:
            self._opening.start(partial(ocean.open_source, choice), self._use)
            self._draw()

    def _use(self, summary: SourceSummary) -> None:
        self._session.source = summary.choice
        self._draw()

    def _refuse(self, error: Exception) -> None:
        self._draw()
        self._session.say("error", str(error))


def _described(choice: SourceChoice, progress: Progress) -> tuple[SourceSummary, float]:
    return ocean.open_source(choice, progress), ocean.observed_percent(choice, progress)


def plain_name(choice: SourceChoice) -> str:
    """The name of a source that is not open yet."""
    if choice.kind == "demo":
        return f"Demo ocean, {choice.step_deg:g}°, seed {choice.seed}"
    return choice.path.rstrip("/").rpartition("/")[2] or choice.path


def detail(summary: SourceSummary, percent: float) -> str:
    """``2001-01 to 2006-12 · 180 × 360 of 1° · 31 % observed``."""
    first, last = summary.days[0][:7], summary.days[-1][:7]
    span = first if first == last else f"{first} to {last}"
    cells, _, steps = summary.grid.partition(" cells of ")
    high, _, wide = steps.partition(" × ")
    return f"{span} · {cells} of {high if high == wide else steps} · {number(round(percent))} % observed"
