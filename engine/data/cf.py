"""A kind of variable in files after the CF conventions: names, units, and what a monthly mean is."""

from __future__ import annotations

import re

from engine.data.kinds import VariableKind
from engine.sphere.cf import unit_attributes


def value_attributes(variable: VariableKind) -> dict[str, str]:
    """``standard_name``, where there is one, and units of values."""
    return ({"standard_name": variable.cf_name} if variable.cf_name else {}) | unit_attributes(variable.unit)


def mean_method(variable: VariableKind) -> str:
    """The ``cell_methods`` of a monthly mean in model space."""
    how = " (of the logarithm, so that it is the geometric mean)" if variable.is_logarithmic else ""
    return f"time: mean{how}"


def ancillary_attributes(variable: VariableKind, modifier: str) -> dict[str, str]:
    """The ``standard_name`` of a variable that says something of another, where that has one."""
    return {"standard_name": f"{variable.cf_name} {modifier}"} if variable.cf_name else {}


def reconstructed_title(variable: VariableKind, of: str = "") -> str:
    """The title of a reconstruction, ``of`` a month."""
    return f"{spelled_title(variable)}{f' of {of},' if of else ''} reconstructed from days with gaps"


def spelled_title(variable: VariableKind) -> str:
    """The title as CF spells it."""
    title = spelled(variable)
    return title[:1].upper() + title[1:]


def spelled(variable: VariableKind) -> str:
    """The same within a sentence."""
    return re.sub("-(surface|level|ice)", r" \1", variable.phrase)
