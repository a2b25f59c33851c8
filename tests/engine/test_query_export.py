"""Files to take away, read again by those who did not write them."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO

import numpy as np
import pandas as pd
import xarray as xr

from engine.provenance import Provenance
from engine.queries import export, table

ORIGIN = Provenance(recipe="a.recipe", choices={"a": [1, "ü"]}, title="A field", source="a formula")


def test_columns_come_back_from_csv_to_nine_figures():
    columns = {"step": np.arange(3.0), "loss": np.array([1.0 / 3.0, np.nan, 1e-12])}
    content = export.csv_file(columns, ORIGIN).decode()
    head, *rows = csv.reader(line for line in content.splitlines() if not line.startswith("#"))
    assert head == ["step", "loss"]
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(content), comment="#"), pd.DataFrame(columns))
    np.testing.assert_allclose(np.array(rows, float), np.stack(list(columns.values()), axis=1), rtol=5e-9)


def test_a_dataset_comes_back_from_netcdf_and_says_whence_it_is():
    dataset = table.true_fields("force", 6, 4)
    with xr.open_dataset(BytesIO(export.netcdf_file(dataset, ORIGIN)), engine="h5netcdf") as restored:
        xr.testing.assert_equal(restored.load(), dataset)
        assert restored.attrs["Conventions"] == "CF-1.11"
        assert restored.attrs["title"] == "A field"
        assert restored.attrs["source"].endswith("a formula")
        assert restored.attrs["harmonia_choices"] == '{"a": [1, "ü"]}'.replace("ü", "\\u00fc")
        assert restored["lat"].attrs["units"] == "degrees_north"


def test_true_fields_are_the_true_table_with_its_places():
    fields, true = table.true_fields("force", 12, 6), table.true_table("force", 12, 6)
    for index, name in enumerate(("u", "v")):
        np.testing.assert_array_equal(fields[name].values, true[..., index].T)
    assert fields["lat"].values[0] == -75.0
    assert fields["lon"].values[-1] == 165.0
