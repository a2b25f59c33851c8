"""The probe itself: a task read from an embedding, tested on points held out, beside what needs no embedding."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from engine.errors import DataError, check_choice
from engine.evaluation.probing.learned import MOST_POINTS, neighbours, net, standardised
from engine.evaluation.probing.moments import Moments, discriminant, ridge
from engine.evaluation.probing.splits import Split, folds_of
from engine.evaluation.probing.tasks import TaskValues, task_values
from engine.sphere.geometry import unit_vectors
from engine.typed import Floats, Ints
from engine.typed import nearest as nearest_rows

Reader = Literal["linear", "knn", "mlp"]
READERS: tuple[Reader, ...] = get_args(Reader)

_ZONAL_DEGREE = 8
_LEAST_PROBABILITY = 1e-6

_BASELINES: dict[tuple[bytes, int], tuple[float, float]] = {}
_MOST_BASELINES = 4096


@dataclass(frozen=True, eq=False)
class ProbeScore:
    """How well a task is read on points that were held out; every point is tested once.

    Attributes:
        score: R² of a field; balanced accuracy of classes, the mean over the classes of the fraction recognised.
        baseline: the better of ``latitude`` and ``nearest``.
        metric: "R²" or "balanced accuracy".
        latitude: the same score, read from latitude alone: Legendre polynomials of sin φ up to degree 8.
        nearest: the same score of the value at the nearest training point on the sphere.
        by_fold: (F,) the score in each fold; NaN where it has none.
        accuracy: fraction of the area recognised; NaN for fields.
        log_loss: mean −log p of the true class; NaN for fields.
        num_numbers: D. num_points: points with a value.
        predicted: (N,) the value, or the number of the class; NaN where a point is not tested.
        values: (N,) the truth.
        seconds: that the embedding's own reading took.
    """

    score: float
    baseline: float
    metric: str
    latitude: float
    nearest: float
    by_fold: Floats
    accuracy: float
    log_loss: float
    num_numbers: int
    num_points: int
    predicted: Floats
    values: Floats
    seconds: float


def probe(
    embedding: Tensor | ArrayLike,
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    task: str | TaskValues,
    split: Split = "random",
    reader: Reader = "linear",
    seed: int = 0,
    *,
    weights: ArrayLike | None = None,
) -> ProbeScore:
    """How well ``task`` is read from ``embedding`` (N, D) of points at ``lat_deg``, ``lon_deg`` (N,), degrees.

    The points are split into folds (:func:`folds_of`); each is predicted by a reader that learned on the others:
    ``linear`` (ridge regression, or a linear discriminant for classes; the strength of the regularisation is chosen
    on a further fold), ``knn`` (eight neighbours in the embedding) or ``mlp`` (two layers). ``weights`` (N,) are the
    points' areas; None: cos φ where the points are those of a grid of latitudes and longitudes, else equal.

    Raises:
        ChoiceError: no such task, split or reader.
        DataError: unequal numbers of points, values that are not finite, or points in fewer than three folds.
    """
    check_choice("reader", reader, READERS)
    lat, lon = np.asarray(lat_deg, np.float64), np.asarray(lon_deg, np.float64)
    codes = torch.as_tensor(embedding)
    check_embedding(codes, lat, lon)
    known = task_values(task, lat, lon) if isinstance(task, str) else task
    where = known.valid
    area = _area(lat, lon) if weights is None else np.asarray(weights, np.float64)
    points = _Points.of(known, lat[where], lon[where], area[where], split, seed)
    began = time.perf_counter()
    predicted, probabilities = points.read(codes[torch.as_tensor(where)], reader, seed)
    seconds = time.perf_counter() - began
    latitude, nearest = _baselines(points)
    everywhere = np.full(len(lat), np.nan)
    everywhere[where] = predicted
    return ProbeScore(
        score=points.score(predicted),
        baseline=max(latitude, nearest),
        metric="balanced accuracy" if known.classes else "R²",
        latitude=latitude,
        nearest=nearest,
        by_fold=np.array([points.score(np.where(points.folds == fold, predicted, np.nan)) for fold in points.numbers]),
        accuracy=points.accuracy(predicted) if known.classes else float("nan"),
        log_loss=points.log_loss(probabilities) if probabilities is not None else float("nan"),
        num_numbers=codes.shape[1],
        num_points=int(where.sum()),
        predicted=everywhere,
        values=known.values,
        seconds=seconds,
    )


def check_embedding(codes: Tensor, lat: Floats, lon: Floats) -> None:
    """Raise :class:`DataError` unless there is a finite row for every point."""
    where, remedy = "probe", "give one row of numbers for each point"
    if codes.ndim != 2 or not codes.shape[1]:
        raise DataError(f"an embedding of shape {tuple(codes.shape)}", where, "give (points, numbers)")
    if not len(codes) == len(lat) == len(lon):
        raise DataError(f"{len(codes)} rows, {len(lat)} latitudes and {len(lon)} longitudes", where, remedy)
    # a sum is cheap, and finite where every number is and none is huge
    if not bool(codes.sum().isfinite()) and not bool(codes.isfinite().all()):
        rows = int((~codes.isfinite().all(dim=1)).sum())
        raise DataError(f"{rows} of {len(codes)} rows are not finite", where, "leave these points out")


def _baselines(points: _Points) -> tuple[float, float]:
    """The scores of latitude alone and of the nearest training point; kept, being the same for every embedding."""
    key = sha256()
    for array in (points.lat, points.lon, points.values, points.area, points.folds):
        key.update(array.tobytes())
    known = (key.digest(), points.num_classes)
    if known not in _BASELINES:
        if len(_BASELINES) >= _MOST_BASELINES:
            _BASELINES.clear()
        latitude = points.score(points.read(_zonal(points.lat), "linear", 0)[0])
        _BASELINES[known] = latitude, points.score(points.nearest())
    return _BASELINES[known]


@dataclass(frozen=True, eq=False)
class _Points:
    """The points of a task: their values, areas and folds."""

    lat: Floats
    lon: Floats
    values: Floats
    area: Floats
    folds: Ints
    num_classes: int

    @classmethod
    def of(cls, known: TaskValues, lat: Floats, lon: Floats, area: Floats, split: Split, seed: int) -> _Points:
        folds = folds_of(split, lat, lon, known.domain, seed)
        return cls(lat, lon, known.values[known.valid], area / area.sum(), folds, len(known.classes))

    @property
    def numbers(self) -> range:
        return range(int(self.folds.max()) + 1)

    def nearest(self) -> Floats:
        """(N,) the value at the nearest training point of each."""
        return self.values[_nearest(self.lat.tobytes(), self.lon.tobytes(), self.folds.tobytes())]

    def targets(self) -> Tensor:
        """(N, 1) values, or (N, C) classes one hot, float64."""
        values = torch.as_tensor(self.values)
        if not self.num_classes:
            return values[:, None]
        return torch.nn.functional.one_hot(values.long(), self.num_classes).to(torch.float64)

    def read(self, codes: Tensor, reader: Reader, seed: int) -> tuple[Floats, Floats | None]:
        """Predictions (N,), NaN where a point is not tested, and probabilities (N, C) of classes."""
        answers = self._linear(codes) if reader == "linear" else self._learned(codes, reader, seed)
        if not self.num_classes:
            return answers[:, 0].numpy(force=True), None
        best = answers.argmax(dim=1).to(torch.float64).masked_fill(answers[:, 0].isnan(), torch.nan)
        return best.numpy(force=True), answers.numpy(force=True)

    def _linear(self, codes: Tensor) -> Tensor:
        folds, area = (torch.as_tensor(array).to(codes.device) for array in (self.folds, self.area))
        targets = self.targets().to(codes.device)
        moments = Moments.of(codes, targets, area, folds)
        answers = torch.empty_like(targets)
        for fold in self.numbers:
            rows = folds == fold
            x = codes[rows].to(torch.float64)
            if self.num_classes:
                slopes, offsets = discriminant(moments, fold, codes, targets.argmax(dim=1), folds)
                answers[rows] = (x @ slopes + offsets).softmax(dim=1)
            else:
                weights = ridge(moments, fold)
                answers[rows] = x @ weights[1:] + weights[0]
        return answers

    def _learned(self, codes: Tensor, reader: Reader, seed: int) -> Tensor:
        values, targets = standardised(codes), self.targets().to(codes.device, torch.float32)
        answers = torch.full_like(targets, torch.nan)
        random = np.random.default_rng(seed)
        for fold in self.numbers:
            train, test = (
                torch.as_tensor(random.permutation(np.flatnonzero(rows))[:MOST_POINTS])
                for rows in (self.folds != fold, self.folds == fold)
            )
            if reader == "knn":
                answers[test] = neighbours(values[train], targets[train], values[test])
            else:
                is_class = self.num_classes > 0
                answers[test] = net(values[train], targets[train], values[test], classes=is_class, seed=seed)
        return answers.to(torch.float64)

    def score(self, predicted: Floats) -> float:
        """R² of a field, balanced accuracy of classes, over the points that are tested."""
        tested = np.isfinite(predicted)
        values, area, predicted = self.values[tested], self.area[tested], predicted[tested]
        if not len(values):
            return float("nan")
        if self.num_classes:
            total = np.bincount(values.astype(np.int64), area)
            right = np.bincount(values.astype(np.int64), area * (predicted == values))
            return float((right[total > 0] / total[total > 0]).mean())
        mean = float(self.area @ self.values)
        spread = float(area @ (values - mean) ** 2)
        return float(1.0 - area @ (predicted - values) ** 2 / spread) if spread else float("nan")

    def accuracy(self, predicted: Floats) -> float:
        """Fraction of the tested area whose class is recognised."""
        tested = np.isfinite(predicted)
        return float(np.average(predicted[tested] == self.values[tested], weights=self.area[tested]))

    def log_loss(self, probabilities: Floats) -> float:
        """Mean −log p of the true class over the tested points."""
        tested = np.isfinite(probabilities[:, 0])
        true = probabilities[tested, self.values[tested].astype(np.int64)]
        return float(np.average(-np.log(np.maximum(true, _LEAST_PROBABILITY)), weights=self.area[tested]))


def _area(lat: Floats, lon: Floats) -> Floats:
    is_grid = len(np.unique(lat)) * len(np.unique(lon)) == len(lat)
    return np.cos(np.deg2rad(lat)).clip(1e-6) if is_grid else np.ones(len(lat))


def _zonal(lat: Floats) -> Tensor:
    """Legendre polynomials (N, 8) of sin φ."""
    powers = np.polynomial.legendre.legvander(np.sin(np.deg2rad(lat)), _ZONAL_DEGREE)
    return torch.as_tensor(powers[:, 1:])


@lru_cache(maxsize=16)
def _nearest(lat: bytes, lon: bytes, folds: bytes) -> Ints:
    """The point (N,) nearest to each that is not in its fold; kept, because it is the same for every embedding."""
    vectors = unit_vectors(np.frombuffer(lat), np.frombuffer(lon)).numpy()
    fold_of = np.frombuffer(folds, np.int64)
    nearest = np.empty(len(vectors), np.int64)
    for fold in np.unique(fold_of):
        others = np.flatnonzero(fold_of != fold)
        nearest[fold_of == fold] = others[nearest_rows(vectors[others], vectors[fold_of == fold])]
    return nearest
