"""Whitening, spread, pooling and search of tokens against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ChoiceError, DataError
from engine.similarity import (
    TokenSearch,
    cosine_matrix,
    effective_rank,
    ledoit_wolf_shrinkage,
    pooled,
    search,
    spread_of,
    whiten,
)
from engine.similarity.spread import QUANTILES

TOKENS = torch.tensor(np.random.default_rng(0).normal(size=(60, 6)) @ np.diag([9, 3, 1, 1, 0.5, 0.1]) + 2.0)


def covariance(tokens: torch.Tensor) -> np.ndarray:
    return np.cov(tokens.numpy().T, bias=True)


def test_whitened_tokens_have_the_identity_as_covariance() -> None:
    np.testing.assert_allclose(covariance(whiten(TOKENS)), np.eye(6), atol=1e-9)
    np.testing.assert_allclose(
        cosine_matrix(whiten(TOKENS)).numpy(), cosine_matrix(TOKENS, whiten=True).numpy(), atol=1e-9
    )
    flat = torch.cat((TOKENS, TOKENS[:, :1]), dim=1)  # a direction without variance stays without
    assert np.linalg.matrix_rank(covariance(whiten(flat)), tol=1e-6) == 6
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance(whiten(flat)))[1:], np.ones(6), atol=1e-8)


def test_shrunk_whitening_divides_by_the_shrunk_covariance() -> None:
    values, vectors = np.linalg.eigh(covariance(TOKENS))
    expected = values / (0.7 * values + 0.3 * values.mean())
    whitened = np.linalg.eigvalsh(covariance(whiten(TOKENS, 0.3)))
    np.testing.assert_allclose(np.sort(whitened), np.sort(expected), atol=1e-9)
    assert vectors.shape == (6, 6)


@pytest.mark.parametrize("number", [4, 12, 60])
def test_the_shrinkage_is_that_of_the_paper(number: int) -> None:
    tokens = TOKENS[:number].numpy()
    centred = tokens - tokens.mean(axis=0)
    sample = centred.T @ centred / number
    size = sample.shape[0]
    delta = ((sample - np.trace(sample) / size * np.eye(size)) ** 2).sum() / size
    beta = sum(((np.outer(row, row) - sample) ** 2).sum() for row in centred) / number**2 / size
    assert ledoit_wolf_shrinkage(TOKENS[:number]) == pytest.approx(min(beta, delta) / delta, rel=1e-9)
    assert 0.0 < ledoit_wolf_shrinkage(TOKENS[:number]) <= 1.0
    assert ledoit_wolf_shrinkage(torch.eye(3, dtype=torch.float64) * 0.0) == 1.0


@pytest.mark.parametrize("centre", [False, True])
def test_the_spread_is_that_of_all_pairs(centre: bool) -> None:
    spread = spread_of(TOKENS, centre)
    pairs = cosine_matrix(TOKENS, centre=centre).numpy()[np.triu_indices(60, k=1)]
    np.testing.assert_allclose(spread.quantiles, np.quantile(pairs, QUANTILES), atol=1e-12)
    assert spread.minimum == pytest.approx(pairs.min())
    tokens = TOKENS.numpy() - (TOKENS.numpy().mean(axis=0) if centre else 0.0)
    unit = tokens / np.linalg.norm(tokens, axis=1)[:, None]
    assert spread.anisotropy == pytest.approx(np.linalg.norm(unit.mean(axis=0)))
    shares = np.linalg.eigvalsh(covariance(TOKENS))
    shares = shares / shares.sum()
    assert spread.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert (spread.num_tokens, spread.num_constant) == (60, 0)


def test_tokens_without_length_are_left_out_and_counted() -> None:
    spread = spread_of(torch.cat((TOKENS, torch.zeros(3, 6, dtype=torch.float64))))
    assert (spread.num_tokens, spread.num_constant) == (60, 3)
    assert spread.quantiles == spread_of(TOKENS).quantiles
    with pytest.raises(DataError, match="1 of 4 tokens have a length"):
        spread_of(torch.cat((TOKENS[:1], torch.zeros(3, 6, dtype=torch.float64))))


def test_the_effective_rank_counts_equal_directions() -> None:
    corners = torch.cat((torch.eye(4), -torch.eye(4))).double()
    assert effective_rank(corners) == pytest.approx(4.0)
    assert effective_rank(corners[:, :1] * torch.ones(1, 3).double()) == pytest.approx(1.0)
    assert effective_rank(torch.ones(5, 3)) == 1.0


def test_pooling() -> None:
    tokens = TOKENS.view(2, 5, 6, 6)
    torch.testing.assert_close(pooled(tokens), tokens.flatten(1, 2).mean(1))
    weights = torch.zeros(5, 6)
    weights[1, 2], weights[4, 0] = 3.0, 1.0
    expected = 0.75 * tokens[:, 1, 2] + 0.25 * tokens[:, 4, 0]
    torch.testing.assert_close(pooled(tokens, "mean", weights=weights), expected)
    torch.testing.assert_close(pooled(tokens, "patch", row=4, col=5), tokens[:, 4, 5])
    summary = tokens[:, 0, 0] + 1.0
    assert pooled(tokens, "summary", summary=summary) is summary


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"pooling": "median"}, "choose one of mean, summary, patch"),
        ({"pooling": "summary"}, "no summary token"),
        ({"pooling": "patch", "row": 5}, "a row from 0 to 4"),
        ({"weights": torch.zeros(5, 6)}, "no patch has a weight"),
    ],
)
def test_a_pooling_that_cannot_be_is_refused(arguments, text) -> None:
    with pytest.raises(ChoiceError, match=text):
        pooled(TOKENS.view(2, 5, 6, 6), **arguments)


@given(st.lists(st.integers(0, 59), min_size=1, max_size=4), st.lists(st.integers(0, 59), max_size=4))
@settings(max_examples=30)
def test_search_is_the_mean_cosine_to_positive_less_that_to_negative_examples(positive, negative) -> None:
    cosines = cosine_matrix(TOKENS).numpy()
    expected = cosines[:, positive].mean(1) - (cosines[:, negative].mean(1) if negative else 0.0)
    searched = TokenSearch(TOKENS)
    examples = torch.tensor(positive), torch.tensor(negative, dtype=torch.long)
    if negative and np.abs(expected).max() < 1e-6:
        with pytest.raises(ChoiceError, match="same mean"):
            searched.scores(*examples)
        return
    np.testing.assert_allclose(searched.scores(*examples).numpy(), expected, atol=1e-12)
    indices, scores = searched.best(10, *examples)
    others = np.setdiff1d(np.arange(60), positive + negative)
    assert indices.tolist() == others[np.argsort(-expected[others], kind="stable")][:10].tolist()
    np.testing.assert_allclose(scores.numpy(), expected[indices.numpy()], atol=1e-12)


def test_search_in_chunks_is_the_same_and_leaves_out_tokens_without_length(monkeypatch) -> None:
    tokens = TOKENS.clone()
    tokens[7] = 0.0
    whole = TokenSearch(tokens).best(59, torch.tensor([3]))
    monkeypatch.setattr(search, "CHUNK", 7)
    parts = TokenSearch(tokens).best(59, torch.tensor([3]))
    assert torch.equal(whole[0], parts[0])
    assert sorted(whole[0].tolist()) == [index for index in range(60) if index not in (3, 7)]
    assert float(TokenSearch(tokens).scores(torch.tensor([3]))[7]) == float("-inf")


@pytest.mark.parametrize(
    ("positive", "negative", "text"),
    [
        ([], [], "no positive example"),
        ([60], [], "does not exist"),
        ([-1], [], "does not exist"),
        ([1, 2], [2, 1], "same mean"),
        ([0], [59], "no length"),
    ],
)
def test_a_search_that_has_no_answer_is_refused(positive, negative, text) -> None:
    tokens = TOKENS.clone()
    tokens[59] = 0.0
    with pytest.raises(ChoiceError, match=text):
        TokenSearch(tokens).scores(torch.tensor(positive, dtype=torch.long), torch.tensor(negative, dtype=torch.long))
    with pytest.raises(DataError, match="the search"):
        TokenSearch(torch.ones(0, 3))
