"""Help for the page on screen: an "i" beside every control, terms that can be opened, and a panel with the glossary."""

from __future__ import annotations

import param

from explorer.widgets.component import Component, client_code, code_beside


class HelpPanel(Component):
    """Works in the browser alone: it finds the controls of the page by their labels, so that no page knows of it.

    ``?`` opens and closes it wherever nothing is being typed, and so does the DOM event ``harmonia:help``.
    """

    texts = param.Dict(default={}, doc="terms and controls, as explorer.help has them")

    _esm = f"{client_code('explain.js')}\n{code_beside(__file__)}"
