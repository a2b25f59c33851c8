"""Data of the Tokens page: tokens of a model, how alike they are, what they depend on, and what averaging keeps."""

# pyright: reportUnusedImport=false

from engine.queries.reconstruct.models import PRETRAINED, source_of
from engine.queries.reconstruct.months import months_of
from engine.queries.tokens.chip import autoencoder, chip_case, mae_config
from engine.queries.tokens.chip_verdict import chip_markdown, chip_rows, chip_sentences, seed_sentences
from engine.queries.tokens.fields import (
    InfluenceParts,
    MeanField,
    ReceptiveField,
    context_drops,
    field_of,
    influence_curve,
    is_exchanged,
    mean_field,
    parts_of,
)
from engine.queries.tokens.files import origin_of, tokens_netcdf, tokens_parquet, verdict_markdown
from engine.queries.tokens.imported import ImportedCase, imported_case, imported_tokens, imported_verdict, nearest_patch
from engine.queries.tokens.maps import WEIGHTS, TokenMap, TokenRequest, layers_of, token_map
from engine.queries.tokens.pooled import (
    POOLINGS,
    TRANSFORMS,
    SceneCosines,
    colours,
    map_spread,
    pooled_tokens,
    scene_cosines,
    similarity,
)
from engine.queries.tokens.search import MOST_EXAMPLES, Match, PatchExample, search
from engine.queries.tokens.verdict import TARGETS, Kept, TokenVerdict, has_verdict, sentences, token_verdict
