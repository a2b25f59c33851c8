"""Numbers of the Data page: sources, days, maps, series and files."""

from engine.data.source import Quality, quality_of
from engine.queries.ocean.days import span_of
from engine.queries.ocean.files import Entry, map_netcdf, series_csv
from engine.queries.ocean.files import FolderListing as FolderListing
from engine.queries.ocean.files import listing as file_listing
from engine.queries.ocean.maps import (
    Cost,
    PlaceSeries,
    Statistics,
    cost,
    day_map,
    difference_map,
    has_statistics,
    map_histogram,
    seen_percent,
    series,
    span_map,
    statistics,
    withheld_map,
)
from engine.queries.ocean.sources import (
    DEMO_STEPS,
    LAYERS,
    MAX_SEED,
    MAX_YEARS,
    SPANS,
    WITHHOLDING,
    Opened,
    SourceChoice,
    opened,
    source,
)
from engine.queries.ocean.uploads import Upload, UploadHold, upload_limit_mb

__all__ = [
    "DEMO_STEPS",
    "LAYERS",
    "MAX_SEED",
    "MAX_YEARS",
    "SPANS",
    "WITHHOLDING",
    "Cost",
    "Entry",
    "FolderListing",
    "Opened",
    "PlaceSeries",
    "Quality",
    "SourceChoice",
    "Statistics",
    "Upload",
    "UploadHold",
    "cost",
    "day_map",
    "difference_map",
    "file_listing",
    "has_statistics",
    "map_histogram",
    "map_netcdf",
    "opened",
    "quality_of",
    "seen_percent",
    "series",
    "series_csv",
    "source",
    "span_map",
    "span_of",
    "statistics",
    "upload_limit_mb",
    "withheld_map",
]
