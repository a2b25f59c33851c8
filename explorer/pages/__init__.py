"""The pages, in the order of the rail. The first one is what a bare address opens."""

from explorer.pages import basis, data, embeddings, home, mvmf, reconstruct, table, tokens, train
from explorer.session import Page

PAGES: tuple[Page, ...] = (
    home.PAGE, basis.PAGE, embeddings.PAGE, table.PAGE, data.PAGE, train.PAGE, reconstruct.PAGE, mvmf.PAGE, tokens.PAGE,
)  # fmt: skip
