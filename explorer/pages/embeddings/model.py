"""The Embeddings page's view-model: two choices of embedding, the map's quantity, and the picked patch."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import param

from engine.errors import EngineError
from engine.queries.basis import MAX_FIT_DEGREE, BasisConfig
from engine.queries.embeddings import (
    COMPONENTS,
    FILE,
    FILE_TITLE,
    PROBE_SPLITS,
    PROBE_TASKS,
    SHOWN_ENCODERS,
    UMAP,
    EmbeddingConfig,
    config_from_json,
    config_json,
    divisors,
)
from explorer.page_model import DomainModel, address_keys
from explorer.session import Query

DIMENSION, COLOURS, SIMILARITY, SCALE, ERROR = "dimension", "colours", "similarity", "scale", "error"
SHIPPED = "shipped"
STEPS = (5.0, 4.0, 2.0, 1.0, 0.5, 0.25)
CLIPS: tuple[float | None, ...] = (None, 1.0, 2.0, 3.0, 4.0, 5.0)
PANELS = ("distance", "histogram", "scale", "patch", "probe", "compare")
NUM_FEATURES = 10
ENCODERS = {**SHOWN_ENCODERS, FILE: FILE_TITLE}
MAX_COMPONENTS = 512


class EmbeddingsModel(DomainModel):
    """The state is choice A; choice B is a kept copy of it, if any."""

    KEYS: ClassVar[dict[str, str]] = address_keys(
        "show encoder step=step_deg ph=patch_height pw=patch_width L=max_degree K=num_components clip=clip_sigma "
        "domain k=dimension feature task split layout panel map=projection"
    )
    OPTIONAL: ClassVar[dict[str, str]] = {**DomainModel.OPTIONAL, "b": "other", "scores": "result", "file": "file"}
    FIRST: ClassVar[tuple[str, ...]] = ("encoder", "domain", "step_deg", "max_degree", "num_components")

    # state
    show = param.Selector(default=SIMILARITY, objects=[SIMILARITY, COLOURS, DIMENSION, SCALE, ERROR])
    encoder = param.Selector(default="harmonic", objects=list(ENCODERS))
    file = param.String(default="", doc="a file of vectors on the server, or an upload")
    domain = param.Selector(default="sphere", objects=list(DomainModel.param.domain.objects))
    step_deg = param.Selector(default=1.0, objects=list(STEPS), doc="step of the grid whose cells make the patches")
    patch_height = param.Selector(default=4, objects=divisors(1.0)[0], doc="cells")
    patch_width = param.Selector(default=4, objects=divisors(1.0)[1], doc="cells")
    max_degree = param.Integer(default=10, bounds=(1, MAX_FIT_DEGREE), doc="L")
    num_components = param.Integer(default=64, bounds=(1, 120), doc="K")
    clip_sigma = param.Selector(default=3.0, objects=list(CLIPS), doc="soft clip, standard deviations")
    dimension = param.Integer(default=1, bounds=(1, 64), doc="from 1")
    feature = param.Integer(default=1, bounds=(1, NUM_FEATURES), doc="scale feature, from 1")
    task = param.Selector(default="sst", objects=list(PROBE_TASKS.values()), doc="what the probe reads")
    split = param.Selector(default="blocks", objects=list(PROBE_SPLITS.values()), doc="what the probe holds out")
    layout = param.Selector(default=COMPONENTS, objects=[COMPONENTS, UMAP], doc="of the cloud of patches")
    result = param.String(
        default="", doc="whose scores the tab Probe shows: those of the choice, SHIPPED, or a run's id"
    )
    picked = param.Tuple(default=(46.0, 2.0), length=2, doc="a place in the picked patch: degrees N, E")
    search = param.String(default="", doc="a place by name or coordinates; not in the address")
    panel = param.Selector(default="distance", objects=list(PANELS))
    other = param.ClassSelector(class_=EmbeddingConfig, doc="choice B; None: no comparison")

    @property
    def waits_for_file(self) -> bool:
        """Whether the vectors of a file are chosen, but no file."""
        return self.encoder == FILE and not self.file

    @property
    def config(self) -> EmbeddingConfig:
        """Choice A. Its basis is fitted on a 1° grid; a finer grid changes it little.

        Raises :class:`ChoiceError` while :attr:`waits_for_file`.
        """
        basis = BasisConfig(self.max_degree, self.num_components, self.chosen_domain, 1.0)
        patch = (self.patch_height, self.patch_width)
        file = self.file if self.encoder == FILE else ""
        return EmbeddingConfig(basis, self.step_deg, patch, self.clip_sigma, self.encoder, file)

    def is_enabled(self, name: str) -> bool:
        """Options of other encoders are left out."""
        if self.encoder != "harmonic" and name in ("max_degree", "clip_sigma", "domain"):
            return False
        if self.encoder == FILE and name == "num_components":
            return False
        if name == "layout" and self.layout == COMPONENTS:
            return False
        return not (name == "dimension" and self.show != DIMENSION) and not (name == "feature" and self.show != SCALE)

    def clamp(self) -> None:
        """Patches divide the grid, K ≤ (L+1)² − 1, the dimension on the map exists."""
        super().clamp()
        heights, widths = divisors(self.step_deg)
        self._offer("patch_height", heights)
        self._offer("patch_width", widths)
        most = (self.max_degree + 1) ** 2 - 1 if self.encoder == "harmonic" else MAX_COMPONENTS
        self.bound("num_components", 1, min(most, MAX_COMPONENTS))
        if self.encoder == "sinusoidal" and self.num_components % 4:
            # a sine and a cosine for each of the two coordinates
            self.num_components = max(4, self.num_components // 4 * 4)
        self.bound("dimension", 1, MAX_COMPONENTS if self.encoder == FILE else self.num_components)

    def _offer(self, name: str, choices: list[int]) -> None:
        """Set the choices of a parameter; another value becomes the nearest choice."""
        parameter = self.param[name]
        if list(parameter.objects) != choices:
            value = min(choices, key=lambda choice: abs(choice - getattr(self, name)))
            parameter.objects = sorted({*choices, getattr(self, name)})
            setattr(self, name, value)
            parameter.objects = choices

    def extra_names(self) -> list[str]:
        """The box, the picked place, choice B, the run whose scores are shown, and the file."""
        return [*super().extra_names(), "picked", "other", "result", "file"]

    def write_extra(self, address: dict[str, str]) -> None:
        """The picked patch as ``place``; choice B as ``b``, in JSON; the run as ``scores``; the file of vectors."""
        super().write_extra(address)
        address["place"] = ",".join(f"{value:.4g}" for value in self.picked)
        if self.result:
            address["scores"] = self.result
        if self.file and self.encoder == FILE:
            address["file"] = self.file
        if self.other is not None:
            address["b"] = json.dumps(json.loads(config_json(self.other)), separators=(",", ":"))

    def read_extra(self, query: Query, changes: dict[str, Any]) -> None:
        """The picked place and choice B, if they are valid; the run and the file whatever they are."""
        super().read_extra(query, changes)
        if "scores" in query:
            changes["result"] = query["scores"][:80]
        if "file" in query:
            changes["file"] = query["file"][:1000]
        if "b" in query:
            try:
                changes["other"] = config_from_json(query["b"][:4000])
            except EngineError as error:
                self.notes.append(f"b in the address is not an embedding: {error}")
        self.read_place(query, "place", changes, "picked")

    # actions
    def keep_as_other(self) -> None:
        """Keep choice A as choice B, once there is one."""
        if not self.waits_for_file:
            self.other = self.config

    def forget_other(self) -> None:
        """Discard choice B."""
        self.other = None
