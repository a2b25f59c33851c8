"""Months of the calendar, and spans of them as settings name them: ``("2001-01", "2002-12")``."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

_TEXT = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    """A month of the calendar, ``month`` from 1 to 12."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month written ``2001-07``; ValueError where it is none."""
        match = _TEXT.fullmatch(text)
        if match is None or not int(match[1]):
            raise ValueError("should be a year and a month such as 2001-07")
        return cls(int(match[1]), int(match[2]))

    def plus(self, num_months: int) -> Month:
        """The month that comes ``num_months`` later, or earlier where that is negative."""
        number = self.number + num_months
        return Month(number // 12, number % 12 + 1)

    @property
    def number(self) -> int:
        """Months since year 0."""
        return 12 * self.year + self.month - 1


def _written(text: str) -> str:
    return str(Month.parse(text))


def _in_order(span: tuple[str, str]) -> tuple[str, str]:
    if Month.parse(span[0]) > Month.parse(span[1]):
        raise ValueError("the first month must not come after the last")
    return span


MonthText = Annotated[str, AfterValidator(_written)]
MonthSpan = Annotated[tuple[MonthText, MonthText], AfterValidator(_in_order)]
"""First and last month of a span, both included."""


def months_in(span: tuple[str, str]) -> list[Month]:
    """Every month of a span."""
    first, last = (Month.parse(text) for text in span)
    return [first.plus(step) for step in range(last.number - first.number + 1)]


def span_text(span: tuple[str, str]) -> str:
    """A span in words: ``2001``, ``2001 to 2002``, ``2001-03 to 2002-06``, ``2001-03``."""
    first, last = (Month.parse(text) for text in span)
    if (first.month, last.month) == (1, 12):
        return str(first.year) if first.year == last.year else f"{first.year} to {last.year}"
    return span[0] if first == last else f"{span[0]} to {span[1]}"


def days_between(a: tuple[str, str], b: tuple[str, str]) -> int:
    """Days of the Gregorian calendar between two spans, in either order; negative where they share days."""
    return max(_days_from(a, b), _days_from(b, a))


def _days_from(earlier: tuple[str, str], later: tuple[str, str]) -> int:
    """Days from the end of one span to the beginning of another."""
    return (_first_day(Month.parse(later[0])) - _first_day(Month.parse(earlier[1]).plus(1))).days


def _first_day(month: Month) -> datetime.date:
    return datetime.date(month.year, month.month, 1) if month.year <= datetime.MAXYEAR else datetime.date.max
