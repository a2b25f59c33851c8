"""Data of the Reconstruct page: months, models, scores, cells and files."""

# pyright: reportUnusedImport=false

from engine.queries.reconstruct.cell import CellDetail, cell_detail
from engine.queries.reconstruct.files import (
    ScoredMonths,
    Snapshot,
    archive_file,
    archive_settings,
    has_model,
    month_netcdf,
    month_origin,
    scores_csv,
    snapshot,
    snapshot_epochs,
)
from engine.queries.reconstruct.film import animation_gif
from engine.queries.reconstruct.models import (
    PRETRAINED,
    ModelCard,
    is_trained_on,
    model_card,
    model_verdict,
    needs_resampling,
    source_differences,
    source_of,
)
from engine.queries.reconstruct.months import (
    LAYER_KINDS,
    Cloud,
    MonthRequest,
    MonthResult,
    layer,
    layers_of,
    months_of,
    reconstruct_month,
)
from engine.queries.reconstruct.remedies import Remedy, remedies
from engine.queries.reconstruct.scores import (
    REGIONS,
    LargeError,
    ModelScores,
    can_score,
    errors_by_observations,
    errors_by_stratum,
    errors_histogram,
    errors_within,
    largest_errors,
    reliability,
    score_months,
    spectrum_of,
)
