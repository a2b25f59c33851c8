"""Exact search: the tokens most like some examples and least like others."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.errors import ChoiceError, DataError
from engine.similarity.cosine import unit_tokens
from engine.typed import vector_norm

CHUNK = 1 << 18
"""Tokens of a product: a quarter of a million of width 128 are 128 MB."""


class TokenSearch:
    """Tokens (N, D), on any device, whose lengths are taken once; a search is one product with them."""

    def __init__(self, tokens: Tensor) -> None:
        if tokens.ndim != 2 or not len(tokens):
            raise DataError(f"tokens of shape {tuple(tokens.shape)}", "the search", "give some of shape (N, D)")
        self._tokens = tokens
        self._inverse = vector_norm(tokens).reciprocal()  # infinite without a length
        has_length = torch.isfinite(self._inverse)
        # where every token has a length, a search spares the pass that masks the others
        self._without_length = None if bool(has_length.all()) else ~has_length

    def __len__(self) -> int:
        return len(self._tokens)

    def scores(self, positive: Tensor, negative: Tensor | None = None) -> Tensor:
        """Scores (N,) of all tokens: their mean cosine to the ``positive`` less that to the ``negative`` indices.

        −inf for tokens without a length.

        Raises:
            ChoiceError: no positive example, an index that does not exist, an example without a length, or the same
                examples as positive and negative.
        """
        query = self._query(positive, negative)
        scores = torch.empty(len(self), dtype=query.dtype, device=query.device)
        for first in range(0, len(self), CHUNK):
            part = slice(first, first + CHUNK)
            torch.mv(self._tokens[part], query, out=scores[part])
        scores.mul_(self._inverse)
        return scores if self._without_length is None else scores.masked_fill_(self._without_length, -torch.inf)

    def best(self, number: int, positive: Tensor, negative: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Indices and scores (number,) of the best tokens, best first, without examples and tokens without a length."""
        scores = self.scores(positive, negative)
        examples = positive if negative is None else torch.cat((positive, negative))
        scores[examples.to(scores.device)] = -torch.inf
        ranked = scores.topk(min(number, int(torch.isfinite(scores).sum())))
        return ranked.indices, ranked.values

    def _query(self, positive: Tensor, negative: Tensor | None) -> Tensor:
        """Mean unit vector of the positive examples less that of the negative ones."""
        if not len(positive):
            raise ChoiceError("no positive example is chosen", "the search", "choose at least one")
        query = self._mean_unit(positive)
        if negative is None or not len(negative):
            return query
        query = query - self._mean_unit(negative)
        if float(vector_norm(query)) < 1e-6:
            raise ChoiceError(
                "the positive and the negative examples have the same mean", "the search", "choose other examples"
            )
        return query

    def _mean_unit(self, indices: Tensor) -> Tensor:
        if int(indices.min()) < 0 or int(indices.max()) >= len(self):
            raise ChoiceError("an example does not exist", f"{len(self)} tokens", "choose an index among them")
        examples = self._tokens[indices.to(self._tokens.device)]
        unit = unit_tokens(examples)
        if not bool(torch.isfinite(unit).all()):
            raise ChoiceError("an example has no length, so no cosine", "the search", "choose another")
        return unit.mean(dim=0)
