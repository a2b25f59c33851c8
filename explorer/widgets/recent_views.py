"""The views that were looked at last in this browser, as links."""

import param

from explorer.widgets.component import Component, code_beside


class RecentViews(Component):
    """Reads what the rail keeps in the browser's own storage; the server never learns of it."""

    heading = param.String(default="Recent views", doc="above the list")

    _esm = code_beside(__file__)
