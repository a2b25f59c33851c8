"""The list of runs, open over any page: state, progress, cancel, resume, log; and what the machine has."""

from pathlib import Path

import param

from explorer.widgets.component import Component


class RunsList(Component):
    """Draws rows of plain text and reports what was asked for. Nothing that came from outside becomes markup."""

    rows = param.List(doc="dicts: id, title, state, detail, share (0…1 or None), failure, can_cancel, can_resume")
    more = param.Integer(default=0, doc="older runs that are not in rows")
    machine = param.List(doc="pairs of label and value")
    dashboard = param.String(doc="address of the Dask dashboard; empty for none")
    problem = param.String(doc="why there is no list, as a sentence")
    chosen = param.String(doc="id of the run whose log is open")
    log = param.String(doc="the end of the chosen run's log")
    figures = param.List(doc="the chosen run's newest metrics: pairs of label and value")
    asked = param.List(default=[], doc="requests: what (cancel, resume, open, more, close), id, serial")

    _esm = Path(__file__).with_suffix(".js")
