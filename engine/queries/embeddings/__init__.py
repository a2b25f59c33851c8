"""Data of the Embeddings page: embeddings of patches, their similarity, and files of them."""

# pyright: reportUnusedImport=false

from engine.embedding.imported import ENDINGS as VECTOR_ENDINGS
from engine.queries.embeddings.curves import (
    DistanceCurves,
    MeasureDifference,
    compare,
    similarity_by_distance,
    similarity_histogram,
)
from engine.queries.embeddings.files import (
    config_from_json,
    config_json,
    embedding_netcdf,
    embedding_npz,
    origin_of,
    snippet,
)
from engine.queries.embeddings.layouts import COMPONENTS, LAYOUT_AXES, UMAP, has_umap, layout, patch_at
from engine.queries.embeddings.patches import (
    SHOWN_ENCODERS,
    ColourAxis,
    EmbeddingConfig,
    EmbeddingCost,
    Neighbour,
    PatchEmbedding,
    ScaleTable,
    cell_of,
    clipped_fraction,
    colour_axes,
    components,
    dimension,
    divisors,
    domain_note,
    embedding,
    embedding_cost,
    extremes,
    first_known,
    is_embedded,
    rgb,
    scale,
    similarity,
)
from engine.queries.embeddings.probe_results import (
    EncoderCurve,
    ProbeCurves,
    ProbeResult,
    advice,
    probe_curves,
    read_probe,
    read_run,
    result_csv,
    result_parquet,
    result_sentences,
    shipped_probe,
    sweep_config,
)
from engine.queries.embeddings.probing import (
    PROBE_SPLITS,
    PROBE_TASKS,
    ProbeCurve,
    ProbedEncoder,
    ProbeScore,
    compare_encoders,
    error_label,
    is_probed,
    probe_curve,
    probe_error,
    probe_sentences,
    probed,
)
from engine.queries.embeddings.vectors import FILE, FILE_TITLE, gridded, vector_sentences
