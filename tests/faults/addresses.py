"""Hostile addresses, from a seed: every key of every page with values that no link of ours holds."""

from __future__ import annotations

import json
import random

from explorer.pages import PAGES

KEYS = (
    "L", "l", "m", "K", "k", "n", "W", "H", "a", "at", "apart", "b", "box", "brush", "c", "click", "clip",
    "component", "count", "day", "domain", "draw", "drop", "encoder", "epoch", "face", "feature", "figure",
    "hide", "how", "kappa", "kind", "layer", "left", "look", "map", "metric", "minus", "mode", "month",
    "outline", "pad", "panel", "panes", "part", "path", "ph", "place", "pw", "quality", "rate", "region",
    "resample", "right", "run", "runs", "sample", "scale", "scene", "seed", "sel", "set", "show", "smooth",
    "span", "spot", "src", "start", "step", "steps", "target", "task", "tile", "topology", "truth", "var",
    "weight", "width", "years", "axis", "about", "west",
)  # fmt: skip
FRAGMENTS = (
    "0", "-1", "1", "2", "180", "1e9", "1e400", "-1e400", "nan", "inf", "-inf", "NaN", "None", "true", "", " ", "٣",
    "1_0", "harmonic", "component", "box", "sphere", "ocean", "land", "demo", "path", "upload", "expert",
    "sandbox", "compare",
    "runs", "new", "sst", "sweep", "sinusoidal", "file", "near-data", "hierarchy", "difference", "withheld", "0,0",
    "90,180",
    "-30,30,180,360", "-30,30,120,360", "90,-90,0,0", "nan,nan,nan,nan", "0,0,0,0", "1e400,0,0", "2001-13", "0000-01",
    "9999-12", "2003-02", "9999-99-99", "pretrained", "..", "../../etc/passwd", "/etc/passwd", "/dev/zero",
    "%00", "\x00",
    "<script>alert(1)</script>", "'\"`;--", "𝕳" * 50, "-", ":", "10,10,1e400,1:nan,0,1,1",
    "10,10,100,1,1e300", "\ud800",
)  # fmt: skip
BASIS = {"max_degree": 10, "num_components": 64, "domain": {"kind": "sphere"}, "step_deg": 1.0}
CONFIG = {
    "format": "harmonia.patch_embedding", "version": 1, "basis": BASIS, "step_deg": 1.0, "patch": [4, 4],
    "clip_sigma": 3.0, "encoder": "harmonic",
}  # fmt: skip
JUNK = (None, True, -1, 0, 10**30, 1e300, "x", [], {}, [[]], {"kind": "box"}, [4, 4, 4], 1e-9)


def address(random_: random.Random) -> dict[str, str]:
    """One address."""
    query = {random_.choice(KEYS): _value(random_) for _ in range(random_.randint(1, 8))}
    if random_.random() < 0.97:
        query["page"] = random_.choice([page.name for page in PAGES])
    return query


def _value(random_: random.Random) -> str:
    kind = random_.randrange(8)
    if kind == 0:
        return random_.choice("0159-") + "9" * random_.choice((5, 40, 4000, 5000))
    if kind == 1:
        return random_.choice(("[", '{"a":', "(")) * random_.choice((3, 2000, 100_000))
    if kind == 2:
        return ",".join(random_.choice(FRAGMENTS) for _ in range(random_.randint(2, 6)))
    if kind == 3:
        return _embedding(random_)
    if kind == 4:
        return json.dumps(
            {random_.choice(("model.width", "epochs", "space", "source.path", "model", "x")): _junk(random_)}
        )
    if kind == 5:
        return str(round(random_.uniform(-400, 400), random_.choice((0, 3))))
    return random_.choice(FRAGMENTS)


def _embedding(random_: random.Random) -> str:
    config = json.loads(json.dumps(CONFIG))
    part = config["basis"] if random_.random() < 0.5 else config
    part[random_.choice(list(part))] = _junk(random_)
    return json.dumps(config)


def _junk(random_: random.Random) -> object:
    return random_.choice(JUNK)
