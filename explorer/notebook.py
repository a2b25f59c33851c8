"""The globe in a notebook or a script: any field on the sphere, with its scale, the value at the pointer and its times.

.. code-block:: python

    import explorer.notebook as hx

    hx.globe(dataset["sst"])  # at the end of a cell; or pn.serve(hx.globe(...)), or inside any Panel layout
    hx.save_html(hx.globe(dataset["sst"]), "sst.html")  # one file that turns without a server and without a network

Importing it gives every DataArray the method ``field.harmonia.globe()``.
"""

from __future__ import annotations

import json
import uuid
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import panel as pn
import xarray as xr
from bokeh.embed.util import OutputDocumentFor, standalone_docs_json_and_render_items
from bokeh.resources import Resources

from engine.files import write_error
from engine.queries.fields import as_field
from engine.queries.scales import limits_of
from explorer.panel_compat import inlined, panel_client
from explorer.theme import TOKENS
from explorer.widgets import Axes, ColorScale, Globe, HoverReadout, colormap_bytes, pack_field
from explorer.widgets.days import DayBar

_CSS = """
:host {{ background: {stage}; border-radius: 10px; padding: 12px 12px 6px; box-sizing: border-box; color: {text};
  {tokens} --mui-palette-text-disabled: {outline} }}
"""


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 16px; font: 450 13px/1.5 Inter, system-ui, sans-serif }}</style>
<div id="{root}" data-root-id="{model}" style="display: contents"></div>
{scripts}
<script>
Bokeh.embed.embed_items({documents}, [{item}])
</script>
</html>
"""


def globe(
    field: object,
    *,
    palette: str | None = None,
    limits: tuple[float, float] | None = None,
    title: str | None = None,
    projection: Literal["globe", "equal_earth", "plate_carree"] = "globe",
    center: tuple[float, float] = (20.0, -30.0),
    dark: bool = False,
    coast: bool = True,
    blocks: bool = False,
    width: int = 560,
    height: int = 480,
    step_deg: float = 1.0,
) -> pn.Column:
    """A field on a globe that turns, as a Panel object: show it, put it into a layout, or write it with
    :func:`save_html`.

    Args:
        field: a DataArray (lat, lon) or (time, lat, lon), harmonic coefficients, a mixture or a run, as
            :func:`engine.queries.fields.as_field` explains. With several times there is a bar to choose and play them.
        palette: name of a colour map of cmocean; by default that of the kind of variable.
        limits: values of the first and the last colour; by default the 1st and 99th percentile of all times, symmetric
            about 0 for a palette with a middle.
        title: above the globe; by default the field's long name.
        projection: of the map; ``globe`` turns.
        center: latitude and longitude in the middle, degrees.
        blocks: draw each cell as a block of one value.
        width, height: of the map in pixels.
        step_deg: of the grid of coefficients and mixtures.

    Raises:
        GridError, ChoiceError: it is no field on the sphere, or its grid is not regular.
    """
    drawn = as_field(field, step_deg)
    palette = palette or drawn.attrs["palette"]
    low, high = limits or limits_of(list(drawn.values), symmetric=palette == "balance")
    axes, group = Axes.of(drawn["lat"].values, drawn["lon"].values), uuid.uuid4().hex
    label, units, colours = title or drawn.attrs["long_name"], drawn.attrs["units"], colormap_bytes(palette)
    frames = [pack_field(values, axes, f"{label}-{index}") for index, values in enumerate(drawn.values)]
    size = {"width": width, "margin": 0}
    view = Globe(
        **_shown(frames, group),
        colormap=colours,
        vmin=low,
        vmax=high,
        projection=projection,
        dark=dark,
        coast=coast,
        center_lat=center[0],
        center_lon=center[1],
        blocks=blocks,
        group=group,
        label=f"Globe with {label}",
        height=height,
        **size,
    )
    scale = ColorScale(colormap=colours, vmin=low, vmax=high, label=label, units=units, group=group, height=52, **size)
    readout = HoverReadout(span=high - low, units=units, group=group, height=44, **size)
    parts = [view, *([_times(drawn, control=group, **size)] if len(frames) > 1 else []), scale, readout]
    tokens = TOKENS["dark" if dark else "light"]
    names = "".join(f"--h-{name.replace('_', '-')}: {colour};" for name, colour in tokens.items())
    css = _CSS.format(**tokens, tokens=names)
    return pn.Column(*parts, stylesheets=[css], width=width + 24)


def _shown(frames: list[bytes], control: str) -> dict[str, Any]:
    """What a globe shows: one field, or a deck that has them all."""
    if len(frames) == 1:
        return {"field": frames[0]}
    return {"frames": frames, "deck": {"name": control, "control": control, "count": len(frames), "index": 0}}


def _times(drawn: xr.DataArray, **params: Any) -> DayBar:
    """A bar that chooses the frame in the browser, without a server."""
    days = [str(time)[:10] for time in drawn["time"].values]
    is_date = np.issubdtype(drawn["time"].dtype, np.datetime64) or drawn["time"].dtype == object
    return DayBar(days=days, unit="day" if is_date else "step", height=38, **params)


def save_html(shown: Any, path: str | Path, title: str = "Harmonia") -> Path:
    """Write what :func:`globe` made, or a layout of it, as one HTML file, which opens from disk without any request.

    Raises:
        StoreError: the file cannot be written.
    """
    path = Path(path)
    model = inlined(pn.panel(shown))
    with OutputDocumentFor([model]):
        documents, (item,) = standalone_docs_json_and_render_items([model], suppress_callback_warning=True)
    # not Panel's own `save`: it lets the browser ask for the Material components, which nothing here needs
    client = Resources(mode="inline", components=["bokeh", "bokeh-widgets", "bokeh-tables"], minified=True).js_raw
    client += panel_client()
    page = _PAGE.format(
        title=escape(title),
        scripts="\n".join(f"<script>{script}</script>" for script in client),
        root=next(iter(item.to_json()["roots"].values())),
        model=model.ref["id"],
        documents=json.dumps(documents).replace("</", "<\\/"),
        item=json.dumps(item.to_json()),
    )
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise write_error(error, path) from error
    return path


@xr.register_dataarray_accessor("harmonia")
class HarmoniaAccessor:
    """``field.harmonia.globe(...)``: :func:`globe` of a DataArray."""

    def __init__(self, field: xr.DataArray) -> None:
        self.globe = partial(globe, field)
