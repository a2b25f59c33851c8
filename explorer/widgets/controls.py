"""The kinds of control that pages use, bound to a parameter of a view-model and styled alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from explorer.layout import box
from explorer.widgets.number_slider import NumberSlider
from explorer.widgets.text import html, paragraph

_MARGIN = (2, 0, 2, 0)


def slider(parameter: param.Parameter, label: str, **options: Any) -> NumberSlider:
    """A number within the parameter's bounds of the moment; it answers while it is dragged."""
    return NumberSlider(parameter, label, **{"margin": _MARGIN, "sizing_mode": "stretch_width", **options})


def field(parameter: param.Parameter, label: str, **options: Any) -> pmui.TextInput:
    """A line of text, taken when it is left or Enter is pressed."""
    return pmui.TextInput.from_param(
        parameter,
        label=label,
        description="",
        size="small",
        variant="outlined",
        margin=(8, 0, 4, 0),
        sizing_mode="stretch_width",
        **options,
    )


def range_slider(parameter: param.Parameter, label: str, **options: Any) -> pmui.RangeSlider:
    """Two edges within the parameter's bounds."""
    return pmui.RangeSlider.from_param(
        parameter, label=label, description="", size="small", margin=_MARGIN, sizing_mode="stretch_width", **options
    )


def segments(parameter: param.Parameter, choices: Mapping[str, Any], **options: Any) -> pmui.RadioButtonGroup:
    """A few choices side by side, ``{label: value}``."""
    return pmui.RadioButtonGroup.from_param(
        parameter,
        options=dict(choices),
        label="",
        description="",
        variant="outlined",
        size="small",
        margin=(4, 0, 6, 0),
        sizing_mode="stretch_width",
        **options,
    )


def segments_of(
    parameter: param.Parameter, choices: Callable[[], Mapping[str, Any]], names: list[str], **options: Any
) -> pmui.RadioButtonGroup:
    """The :func:`segments` of ``choices()``, evaluated again when a parameter of ``names`` changes."""
    model: Any = parameter.owner
    buttons = segments(parameter, choices(), **options)
    model.param.watch(
        lambda *_: buttons.param.update(options=dict(choices()), value=getattr(model, parameter.name)), names
    )
    return buttons


def select(parameter: param.Parameter, label: str, choices: Mapping[str, Any], **options: Any) -> pmui.Select:
    """One of several choices, ``{label: value}``."""
    return pmui.Select.from_param(
        parameter,
        label=label,
        options=dict(choices),
        description="",
        size="small",
        variant="outlined",
        margin=(8, 0, 4, 0),
        sizing_mode="stretch_width",
        **options,
    )


def offer(chosen: pmui.Select, choices: Mapping[str, Any], value: Any) -> None:
    """Other choices of a select. The browser holds the label of its value, which may change while the value stays."""
    chosen.param.update(options=dict(choices), value=value)
    chosen.param.trigger("value")


def switch(parameter: param.Parameter, label: str, **options: Any) -> pmui.Switch:
    """On or off."""
    return pmui.Switch.from_param(parameter, label=label, description="", size="small", margin=(0, 0, 2, 0), **options)


def button(label: str, **options: Any) -> pmui.Button:
    """A plain button."""
    return pmui.Button(label=label, **{"size": "small", "variant": "outlined", "margin": 0, **options})


def fixed(widget: Any, width_px: int) -> Any:
    """The control at this width, to stand beside another."""
    widget.sizing_mode, widget.width = "fixed", width_px
    return widget


def sentence(model: param.Parameterized, names: list[str], say: Callable[[], str], **params: Any) -> pn.pane.HTML:
    """The sentence ``say()``, written again when one of ``names`` changes."""
    pane = html("", **params)

    def renew(*_: object) -> None:
        pane.object = paragraph(say())

    model.param.watch(renew, names)
    renew()
    return pane


def group(
    model: param.Parameterized, names: list[str], holds: Callable[[], bool], build: Callable[[], list[Any]]
) -> pn.Column:
    """Controls that are visible while ``holds()``, evaluated when one of ``names`` changes; built when first needed."""
    column = box(css=":host { gap: 4px }")

    def show(*_: object) -> None:
        column.visible = holds()
        if column.visible and not len(column):
            column[:] = build()

    model.param.watch(show, names)
    show()
    return column


def only_if(parameter: param.Parameter, values: Any, build: Callable[[], list[Any]]) -> pn.Column:
    """A :func:`group` that is visible while the parameter has this value, or one of a tuple of values."""
    model, name = parameter.owner, str(parameter.name)
    wanted = values if isinstance(values, tuple) else (values,)
    return group(model, [name], lambda: getattr(model, name) in wanted, build)


_COPY = """
if (navigator.clipboard) navigator.clipboard.writeText(location.href)
else {  // a browser has no clipboard on a page without https
  const field = document.createElement('textarea')
  field.value = location.href
  document.body.append(field)
  field.select()
  document.execCommand('copy')
  field.remove()
}
"""


def copy_link(say: Callable[[str, str], None]) -> pmui.Button:
    """Puts the address of the view on the clipboard."""
    copy = button("Copy link")
    copy.js_on_click(code=_COPY)
    copy.on_click(lambda _: say("success", "The address of this view is on the clipboard."))
    return copy


def export_menu(files: Mapping[str, Callable[[], None]]) -> pmui.MenuButton:
    """A menu of files to download, ``{label: action}``."""
    menu = pmui.MenuButton(
        label="Export", items=[{"label": label} for label in files], size="small", variant="contained", margin=0
    )

    def act(item: Any) -> None:
        chosen = files.get(item["label"]) if isinstance(item, dict) else None
        if chosen is not None:  # a browser may send an index that is none
            chosen()

    menu.on_click(act)
    return menu
