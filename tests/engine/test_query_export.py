"""Files to take away, read again by those who did not write them."""

from __future__ import annotations

import csv
from io import BytesIO

import numpy as np
import xarray as xr

from engine.queries import export, table


def test_columns_come_back_from_csv_to_nine_figures():
    columns = {"step": np.arange(3.0), "loss": np.array([1.0 / 3.0, np.nan, 1e-12])}
    head, *rows = csv.reader(export.csv_file(columns).decode().splitlines())
    assert head == ["step", "loss"]
    np.testing.assert_allclose(np.array(rows, float), np.stack(list(columns.values()), axis=1), rtol=5e-9)


def test_a_dataset_comes_back_from_netcdf_and_says_whence_it_is():
    dataset = table.true_fields("force", 6, 4).assign_attrs(title="A field")
    with xr.open_dataset(BytesIO(export.netcdf_file(dataset)), engine="h5netcdf") as restored:
        xr.testing.assert_equal(restored.load(), dataset)
        assert restored.attrs == {"title": "A field", "Conventions": "CF-1.11", "source": "Harmonia"}
        assert restored["lat"].attrs["units"] == "degrees_north"


def test_true_fields_are_the_true_table_with_its_places():
    fields, true = table.true_fields("force", 12, 6), table.true_table("force", 12, 6)
    for index, name in enumerate(("u", "v")):
        np.testing.assert_array_equal(fields[name].values, true[..., index].T)
    assert fields["lat"].values[0] == -75.0
    assert fields["lon"].values[-1] == 165.0
