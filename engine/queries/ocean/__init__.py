"""Data of the Data page: sources, days, maps, time series and files."""

# pyright: reportUnusedImport=false

from engine.data.kinds import KINDS, SST, VariableKind
from engine.data.source import Overrules, Quality, Regrid, quality_of
from engine.queries.ocean.days import span_of
from engine.queries.ocean.files import SeriesChoice, chosen_series, map_netcdf, map_origin, series_csv
from engine.queries.ocean.maps import (
    OF_SPAN,
    MapChoice,
    PointSeries,
    ReadCost,
    Statistics,
    chosen_map,
    coverage_percent,
    day_map,
    difference_map,
    drawn,
    has_statistics,
    map_histogram,
    read_cost,
    series,
    span_map,
    statistics,
    symmetric_limits,
    withheld_map,
)
from engine.queries.ocean.places import covered_place, is_covered
from engine.queries.ocean.points import (
    CALENDARS,
    MASKS,
    STEPS,
    ZEROS,
    FilePoints,
    decided,
    decision_text,
    file_points,
    overrules_of_text,
    overrules_text,
    point_text,
    point_value,
)
from engine.queries.ocean.run_sources import run_source, source_choice
from engine.queries.ocean.sources import (
    DEMO_STEPS,
    LAYERS,
    MAX_SEED,
    MAX_YEARS,
    OF_VALUES,
    SPANS,
    WITHHOLDING,
    SourceChoice,
    SourceSummary,
    layer_units,
    observed_percent,
    open_source,
    source,
    source_limits,
)
from engine.queries.ocean.uploads import Upload, UploadHold, upload_limit_mb
from engine.queries.server_files import list_folder
