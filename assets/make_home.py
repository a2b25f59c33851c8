"""Make the picture of the page Home: a day of the demo ocean as observed, and its month filled in by the shipped model.

    python assets/make_home.py

writes ``home.npz`` beside this script (12 s of one core): ``day`` and ``reconstruction`` (lat, lon) in hundredths of a
degree Celsius, -32768 = no value, with ``lat``, ``lon`` and the ``date`` of the day.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.queries import reconstruct

YEAR, MONTH, DAY = 2010, 7, 15


def main() -> None:
    """Compute the month and write the file."""
    source = reconstruct.source_of(reconstruct.PRETRAINED)
    month = reconstruct.reconstruct_month(reconstruct.MonthRequest(reconstruct.PRETRAINED, source, YEAR, MONTH))
    layers = {name: hundredths(reconstruct.layer(month, name, day=DAY)) for name in ("day", "reconstruction")}
    date = f"{YEAR}-{MONTH:02d}-{DAY:02d}"
    np.savez_compressed(Path(__file__).parent / "home.npz", date=date, lat=month.lat, lon=month.lon, **layers)


def hundredths(values: np.ndarray) -> np.ndarray:
    """Degrees Celsius as whole hundredths, int16."""
    return np.where(np.isfinite(values), np.rint(np.nan_to_num(values) * 100.0), -32768).astype(np.int16)


if __name__ == "__main__":
    main()
