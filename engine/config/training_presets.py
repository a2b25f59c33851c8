"""Ways of training by name: settings of :class:`engine.config.sst.SSTSettings` that belong together."""

from __future__ import annotations

from typing import Any, Literal, get_args

from engine.config.sst import SSTSettings

TrainingPreset = Literal["own", "published", "likelihood"]

TRAINING_PRESETS: tuple[TrainingPreset, ...] = get_args(TrainingPreset)
"""``own`` is ours; ``published`` that of the published models; ``likelihood`` ours for a predicted distribution."""

_PUBLISHED: dict[str, Any] = {
    "epochs": 100,
    "loss": "l1",
    "loss_weights": "equal",
    "learning_rate": 1e-3,
    "weight_decay": 1e-2,
    "beta2": 0.999,
    "schedule": "plateau",
    "warmup": 0.0,
    # torch's ReduceLROnPlateau of patience 5 halves the rate after the sixth epoch without an improvement
    "plateau_patience": 6,
    "min_learning_rate": 1e-7,
    "min_improvement": 1e-4,
    "clip_norm": 0.0,
    "ema_decay": 0.0,
    "patience": 10,
}
_OWN: dict[str, Any] = {name: SSTSettings.model_fields[name].default for name in _PUBLISHED}
_NO_CLOUDS = {"extra_clouds": 0.0}
_OWN_CLOUDS = {"extra_clouds": SSTSettings.model_fields["extra_clouds"].default}


def training_preset(name: TrainingPreset, *, is_truth_known: bool) -> dict[str, Any]:
    """The settings of a way of training, by name.

    - ``own``: the defaults; the additional clouds too, where ``is_truth_known``.
    - ``published``: L1 on the sea cells, each counted once, of the residual to the mean of the observed days; AdamW at
      1e-3, decay 1e-2; the rate halved after a plateau, down to 1e-7; from there on training stops after ten epochs
      without an improvement of 1e-4 K; at most 100 epochs; neither clipping nor averaged weights. Its days are not
      hidden by additional clouds, where ``is_truth_known``: else the hidden days are the only target. Ours: a fraction
      ``withheld_fraction`` of cell-months is hidden as for every model, so that scores compare.
    - ``likelihood``: the defaults with the Gaussian likelihood, for a model with an uncertainty.
    """
    if name == "published":
        return _PUBLISHED | (_NO_CLOUDS if is_truth_known else {})
    return _OWN | (_OWN_CLOUDS if is_truth_known else {}) | ({"loss": "gaussian"} if name == "likelihood" else {})
