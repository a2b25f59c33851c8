"""The Geolocation page's view: one stage for the sandbox and the expert."""

from __future__ import annotations

from collections.abc import Callable

from engine.provenance import Provenance
from engine.queries.mvmf import files
from engine.queries.mvmf.comparison import comparison_csv
from engine.queries.mvmf.files import MixtureChoice
from explorer.background import LatestTask
from explorer.layout import box, show
from explorer.pages.mvmf import text
from explorer.pages.mvmf.drawer import drawer
from explorer.pages.mvmf.expert import ExpertSide
from explorer.pages.mvmf.model import SANDBOX, MvmfModel
from explorer.pages.mvmf.probability_map import ProbabilityMap
from explorer.pages.mvmf.sandbox import Sandbox
from explorer.session import PageView, Query, Session
from explorer.stage import Stage


def build(session: Session, query: Query) -> PageView:
    """The page for one session, as its address describes it."""
    return MvmfView(session, MvmfModel(query)).view


class MvmfView:
    """Sandbox and expert share the globe, its map, the read-out and the work off the event loop."""

    def __init__(self, session: Session, model: MvmfModel) -> None:
        self.session = session
        self.model = model
        self.stage = Stage(session, model, "a probability map", self._cancel, dim_outside=False)
        self._work = LatestTask(self.stage.show_progress, lambda error: self._side.fail(error))
        self._map = ProbabilityMap(model, self.stage)
        self.sandbox = Sandbox(session, model, self.stage, self._map, self._work)
        self.expert = ExpertSide(session, model, self.stage, self._map, self._work)
        self.stage.on_click(lambda lat, lon: self._side.clicked(lat, lon))
        self.view = self.stage.page_view(
            drawer(model, self.stage.globe, self.sandbox, self.expert.controls),
            [self.stage.flat, box(self.sandbox.panel.part, self.expert.panel.part)],
            {
                "Picture, PNG": self._offer_picture,
                "Density, NetCDF": lambda: self._offer("density.nc", files.density_netcdf),
                "Centres, CSV": lambda: self._offer("centres.csv", files.centres_csv),
                "Which centres?, CSV": self._offer_comparison,
            },
            parts=[*self.stage.parts, self.expert.run.card, self.sandbox.panel.comparison.card],
            read=[self.stage.bar, self._map.probe, self.stage.readout],
        )
        model.param.watch(lambda *_: self._turn_to_mode(), "mode")
        self._turn_to_mode()

    @property
    def _side(self) -> Sandbox | ExpertSide:
        """The active one."""
        return self.sandbox if self.model.mode == SANDBOX else self.expert

    def _turn_to_mode(self) -> None:
        self._work.cancel()
        self.stage.clear_failure()
        show(self.sandbox.panel.part, self._side is self.sandbox)
        show(self.expert.panel.part, self._side is self.expert)
        self.expert.run.hide()
        self.sandbox.panel.comparison.hide()
        self._side.start()

    def _cancel(self) -> None:
        self._work.cancel()
        if self._side is self.sandbox:
            self.sandbox.panel.say_only(text.CANCELLED)

    # files

    def _offer_picture(self) -> None:
        if self.stage.is_veiled:
            self.session.say("info", text.NOT_DRAWN)
            return
        choice = self._side.choice
        if choice is None:
            self.stage.save_picture("probability", None)
            return

        def save(origin: Provenance) -> None:
            if self._side.choice == choice:
                self.stage.save_picture("probability", origin)
            else:
                self._offer_picture()

        self.stage.prepare(lambda: files.density_origin(choice), save)  # it hashes the expert's file

    def _offer_comparison(self) -> None:
        data, run = self.model.data, self.sandbox.panel.compared()
        if not run:
            self.session.say("info", text.NO_FILE if data == "file" and not self.model.points else text.NOT_COMPARED)
            return
        self.stage.offer(f"centres-on-{data}.csv", lambda: comparison_csv(run, data))

    def _offer(self, name: str, content: Callable[[MixtureChoice], bytes]) -> None:
        choice = self._side.choice
        if choice is None:
            self.session.say("info", text.NO_CENTRES)
        else:
            self.stage.offer(name, lambda: content(choice))
