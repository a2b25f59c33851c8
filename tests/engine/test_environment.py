"""Numbers from environment variables: what is taken, and the sentence for what is not."""

from __future__ import annotations

import pytest

from engine.environment import number, whole_number
from engine.errors import RunError
from engine.formats.limits import memory_limit
from engine.queries.ocean import upload_limit_mb
from engine.queries.ocean.uploads import uploads_kept_mb

NAME = "HARMONIA_SOMETHING"


def test_what_is_not_set_or_empty_has_its_default(monkeypatch):
    monkeypatch.delenv(NAME, raising=False)
    assert number(NAME, 2.5) == 2.5
    monkeypatch.setenv(NAME, "")
    assert whole_number(NAME, 7, 1) == 7


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("12", 12.0), ("0.0000115", 1.15e-5), ("007", 7.0)])
def test_digits_are_a_number(monkeypatch, text, value):
    monkeypatch.setenv(NAME, text)
    assert number(NAME, 1.0) == value


@pytest.mark.parametrize("text", ["many", "-1", "1e3", "nan", "inf", "1.5.2", " 3", "٣", "9" * 5000])
def test_anything_else_is_refused_by_name(monkeypatch, text):
    monkeypatch.setenv(NAME, text)
    with pytest.raises(RunError, match=rf"^{NAME} is .*set it to a number from 0"):
        number(NAME, 1.0)


@pytest.mark.parametrize("text", ["0", "65", "1.5"])
def test_a_whole_number_has_limits(monkeypatch, text):
    monkeypatch.setenv(NAME, text)
    with pytest.raises(RunError, match="from 1 to 64"):
        whole_number(NAME, 2, 1, 64)


@pytest.mark.parametrize(
    ("variable", "read"),
    [
        ("HARMONIA_FILE_MB", memory_limit),
        ("HARMONIA_UPLOAD_MB", upload_limit_mb),
        ("HARMONIA_UPLOADS_KEPT_MB", uploads_kept_mb),
    ],
)
def test_a_typing_error_of_the_administrator_is_named(monkeypatch, variable, read):
    monkeypatch.setenv(variable, "two hundred")
    with pytest.raises(RunError, match=variable):
        read()
