"""Open sea-surface temperature from files as their producers write them."""

# pyright: reportUnusedImport=false

from engine.data.sst._cost import map_note, series_note
from engine.data.sst._fields import file_fields
from engine.data.sst._open import open_sst
from engine.data.sst._paths import locate
