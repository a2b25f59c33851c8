"""Make ``pretrained/expert``: the geographic expert that comes along, as the folder of a run, and its card.

    python assets/make_expert.py [FOLDER]     # of the training, which goes on with what is there

Without FOLDER the expert stays, and what is measured of it on lands that it has not seen, and the card, are made anew.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.compute import describe_device, use_thread_policy
from engine.config import RunConfig
from engine.config.expert import ExpertSettings, LandTiles
from engine.data.demo_land import MAX_LANDS, DemoLand
from engine.data.tiles import Tiles
from engine.evaluation.expert_scores import Beliefs, Truth, score
from engine.files import write_atomic
from engine.provenance import code_version
from engine.runs.run_folder import RunFolder
from engine.training.expert.data_module import ExpertDataModule, is_placed
from engine.training.expert.model_bundle import load_expert
from engine.training.fit import fit

TARGET = Path(__file__).parent / "pretrained" / "expert"
NUM_LANDS = 4
CONFIG = RunConfig(
    seed=0,
    settings=ExpertSettings(tiles=LandTiles(num_lands=NUM_LANDS), epochs=20, num_test=1024, num_shown=96),
)
_RADII = ("750", "2500")


def main(folder: Path | None) -> None:
    use_thread_policy()
    TARGET.mkdir(exist_ok=True)
    if folder is not None:
        fit(CONFIG, folder)
        files = RunFolder(folder)
        for file in (files.config, files.expert, files.scores, files.test_tiles):
            shutil.copyfile(file, TARGET / file.name)
        training = {
            "version": code_version(),
            "minutes": round(json.loads(files.status.read_text())["seconds"] / 60.0),
            "device": describe_device(),
        }
    else:
        training = json.loads((TARGET / "card.json").read_text())["training"]
    numbers = {"training": training, "unseen": scores_on_unseen_lands()}
    write_atomic(TARGET / "card.json", json.dumps(numbers, indent=1).encode() + b"\n")
    write_atomic(TARGET / "card.md", card(numbers).encode())


def scores_on_unseen_lands() -> dict[str, Any]:
    """Scores of the expert and its prior, as in ``scores.json``, on test places of lands that it was not trained on."""
    expert, settings = load_expert(TARGET), CONFIG.settings
    assert isinstance(settings, ExpertSettings)
    assert isinstance(settings.tiles, LandTiles)
    source = DemoLand(settings.tiles.size, settings.tiles.pixel_km, settings.tiles.seed, MAX_LANDS)
    numbers = np.arange(2 * settings.num_test)
    tiles: Tiles = source.tiles("test", numbers[numbers % MAX_LANDS >= NUM_LANDS])
    truth = Truth(tiles.lat, tiles.lon, tiles.day, tiles.climate, is_placed(tiles, settings))
    data = ExpertDataModule.of(settings, CONFIG.seed)
    prior = Beliefs(data.prior.log_weights[None], data.prior.climate[None], np.array([data.prior.day]))
    with torch.no_grad():
        return {
            "expert": score(expert.mixture, expert.believe(tiles.pixels), truth),
            "prior": score(data.model().mixture, prior, truth),
        }


_CARD = """# The geographic expert that comes with Harmonia

`expert.safetensors`: a `GeographicExpert` of {size:,} parameters; `config.json` its configuration, `scores.json`
its test scores, `shown.npz` {shown} of its test pictures, `card.json` the rest of this card's numbers. They are the
files of a run of the task `expert`, and are read as those. Nothing is unpickled.

Made by `python assets/make_expert.py FOLDER`, Harmonia {version}, in {minutes} minutes on {device}, beside other
work; without `FOLDER` the command measures it anew and writes this card. Licence: that of Harmonia.

**Training data**: pictures of {lands} invented lands, {epochs} epochs of {samples:,}, {pixels} pixels of
{pixel_km:g} km in five bands. Coasts and climate are those of the Earth; relief, soils and provinces are invented,
other ones on every land, so that it reads climate and season, and no single place by heart. It demonstrates the
method; it has seen no photograph.

**Test data**: places in blocks of the Earth that were held out of the training, on the same lands ({test:,} pictures)
and on {unseen_lands} lands that it has not seen ({unseen:,}). "Nothing" is the constant prediction with the least loss.

| | expert | nothing | expert, unseen lands | nothing, unseen lands |
|---|---|---|---|---|
{rows}

Likelihood is the mean of ln p + ln 4π at the true place: 0 is an even distribution over the sphere.

**Limits.** Half of its guesses are off by more than {median:,.0f} km: it guesses a climate and a season more than a
place.
"""


def card(numbers: dict[str, Any]) -> str:
    """What people should know before they use the expert, as Markdown."""
    scores, settings = json.loads((TARGET / "scores.json").read_text()), CONFIG.settings
    assert isinstance(settings, ExpertSettings)
    assert isinstance(settings.tiles, LandTiles)
    columns = [scores["expert"], scores["prior"], numbers["unseen"]["expert"], numbers["unseen"]["prior"]]
    values = {
        "median error, km": [f"{of['error_km']['median']:,.0f}" for of in columns],
        **{f"guess within {km} km": [f"{100 * of['within_km'][km]:.1f} %" for of in columns] for km in _RADII},
        **{
            f"probability within {km} km": [f"{100 * of['belief_within_km'][km]:.1f} %" for of in columns]
            for km in _RADII
        },
        "likelihood, nats": [f"{np.log(4.0 * np.pi) - of['nll']:.3f}" for of in columns],
        "area searched to the true place, million km²": [f"{of['area_to_truth_km2'] / 1e6:.1f}" for of in columns],
        "truth in the 50 % region": [f"{100 * of['coverage']['0.5']:.0f} %" for of in columns],
        "truth in the 90 % region": [f"{100 * of['coverage']['0.9']:.0f} %" for of in columns],
        "climate class right": [f"{100 * of['climate_accuracy']:.0f} %" for of in columns],
        "date error, days": [f"{of['date_error_days']:.0f}" for of in columns],
    }
    return _CARD.format(
        size=sum(value.numel() for value in load_expert(TARGET).model.parameters()),
        shown=settings.num_shown,
        **numbers["training"],
        lands=NUM_LANDS,
        unseen_lands=MAX_LANDS - NUM_LANDS,
        epochs=settings.epochs,
        samples=settings.samples,
        pixels=f"{settings.tiles.size} × {settings.tiles.size}",
        pixel_km=settings.tiles.pixel_km,
        test=columns[0]["num_placed"],
        unseen=columns[2]["num_placed"],
        rows="\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in values.items()),
        median=columns[0]["error_km"]["median"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
