"""Cost of training a model, estimated before it is built."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch

from engine.config.model import SpatioTemporalConfig
from engine.models.build import build_model
from engine.models.spatiotemporal.attention import SHORT
from engine.models.spatiotemporal.summary import NUM_SUMMARIES
from engine.models.unet import NUM_INPUTS, unet_widths

_SLOTS = 31
_STATES = 4  # a parameter, its gradient and the two moments of Adam
_BACKWARD = 3.0  # a step in multiples of its forward pass
_TRANSIENT = 2.5  # number of largest activations alive beside the stored ones
_LIBRARIES = 4e7  # bytes of workspace of the convolution library

# A step in terms of this machine's rates: what its matrix products reach of the rate of one large product, how often it
# passes over the numbers it keeps at the rate of GELU, and what it takes however small it is. Fitted to the presets at
# 48² and 80² cells on one core, where it is within a quarter.
_EFFICIENCY = 0.95
_PASSES = 5.0
_LEAST_S = 0.02


@dataclass(frozen=True)
class ResourceEstimate:
    """Cost of training a model.

    Attributes:
        num_parameters: exact.
        memory_bytes: peak of a training step beyond the memory of the process before: parameters with their gradients
            and Adam's moments, the window, stored activations and temporaries. Within a quarter.
        activation_bytes: of these, the activations stored for the backward pass.
        step_seconds: one step, forward, backward and update, on the CPU with torch's current threads. From the
            number of operations and rates measured once a process; an order of magnitude.
    """

    num_parameters: int
    memory_bytes: int
    activation_bytes: int
    step_seconds: float


def estimate(
    config: SpatioTemporalConfig, window: tuple[int, int], months: int, batch: int = 1, *, bf16: bool = True
) -> ResourceEstimate:
    """The cost of one training step of ``batch`` windows of (rows, columns) cells and ``months`` months.

    Nothing is built: parameters are counted on torch's meta device. ``bf16`` = trained under autocast to bfloat16.
    """
    sizes = _Sizes.of(config, window, months, batch)
    num_parameters = count_parameters(config)
    memory = 4 * _STATES * num_parameters + sizes.window_bytes() + _LIBRARIES
    kept = sizes.kept_bytes(bf16)
    memory += kept + _TRANSIENT * sizes.largest_bytes(bf16)
    product_rate, pass_rate = _rates(bf16, torch.get_num_threads())
    again = 4.0 / 3.0 if config.checkpointing else 1.0
    products = _BACKWARD * again * 2.0 * sizes.products() / (_EFFICIENCY * product_rate)
    passes = _PASSES * again * sizes.kept_bytes(bf16, checkpointing=False) / pass_rate
    return ResourceEstimate(num_parameters, int(memory), int(kept), products + passes + _LEAST_S)


def count_parameters(config: SpatioTemporalConfig) -> int:
    """Parameters of a model of ``config``, exactly, without memory for them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in build_model(config).parameters())


@dataclass(frozen=True)
class _Sizes:
    config: SpatioTemporalConfig
    values: int
    """Cells of all days."""
    day_tokens: int
    month_tokens: int
    cells: int
    """Cells of all months."""
    places: int
    """Tokens of one month, N."""
    months: int

    @classmethod
    def of(cls, config: SpatioTemporalConfig, window: tuple[int, int], months: int, batch: int) -> _Sizes:
        days, high, wide = config.patch
        places = (window[0] // high) * (window[1] // wide)
        maps = batch * months
        cells = maps * window[0] * window[1]
        return cls(config, cells * _SLOTS, maps * -(-_SLOTS // days) * places, maps * places, cells, places, months)

    def products(self) -> float:
        """Multiplications with an addition in a forward pass."""
        if self.config.architecture == "unet":
            return float(sum(9 * cells * out * (inward + out) for cells, inward, out in self._convolutions()))
        config, width, channels = self.config, self.config.width, self.config.decoder_width // 2
        days, high, wide = config.patch
        is_scored = config.architecture != "repository"
        day = 2 * days * high * wide * width + (4 * config.day_layers + is_scored) * width**2
        month = config.cross_month * (12 * width**2 + 2 * self.months * width)
        layer = (12 + 9 * config.local_mixing) * width**2 + 2 * self.places * width
        reach = (high + 2 * config.overlap) * (wide + 2 * config.overlap)
        patch = config.decoder_width * (width + channels * reach)
        patch += config.summaries * NUM_SUMMARIES * high * wide * width
        cell = 9 * len(config.refinement) * channels**2 + config.summaries * NUM_SUMMARIES * channels
        token = month + config.spatial_layers * layer + patch
        return float(self.day_tokens * day + self.month_tokens * token + self.cells * cell)

    def kept_bytes(self, bf16: bool, checkpointing: bool | None = None) -> float:
        """What the forward pass keeps for the backward pass."""
        config, width = self.config, self.config.width
        size = 2 if bf16 else 4
        if config.architecture == "unet":
            kept = sum(cells * (inward + 5 * out) for cells, inward, out in self._convolutions())
            return size * float(kept) * (0.5 if config.checkpointing and checkpointing is not False else 1.0)
        if config.checkpointing if checkpointing is None else checkpointing:
            # the inputs of the parts, and all of the part whose turn it is, the largest
            inputs = size * (self.day_tokens + 3 * self.month_tokens) * width
            return inputs + max(size * self._day_numbers(), size * self._cell_numbers())
        month = 20 * width * config.cross_month
        layer = (16 + 2 * config.local_mixing) * width
        if bf16 and self.places <= SHORT:
            layer += 3 * config.heads * self.places
        months = self.month_tokens * (month + config.spatial_layers * layer + 4 * width + config.decoder_width)
        return size * (self._day_numbers() + months + self._cell_numbers())

    def _convolutions(self) -> Iterator[tuple[int, int, int]]:
        """Cells and channels in and out of each pair of convolutions of the U-Net."""
        widths = unet_widths(self.config)
        for level, (inward, out) in enumerate(pairwise([NUM_INPUTS, *widths])):
            yield self.cells >> (2 * level), inward, out
        for level, (fine, coarse) in enumerate(pairwise(widths)):
            yield self.cells >> (2 * level), fine + coarse, fine

    def window_bytes(self) -> float:
        """The days as given (values and mask), and centred with their validity in float32."""
        return self.values * (4 + 1 + 4 + 4)

    def largest_bytes(self, bf16: bool) -> float:
        """The largest activation."""
        size, width = (2 if bf16 else 4), self.config.width
        if self.config.architecture == "unet":
            return float(size * self.cells * max(NUM_INPUTS, 3 * width))
        day = self.day_tokens * width * (2 if self.config.day_layers else 1)
        return size * max(day, self.cells * self.config.decoder_width / 2)

    def _day_numbers(self) -> float:
        days, high, wide = self.config.patch
        # the tokens, and what their scores keep; 'repository' scores the time alone
        widths = 2 if self.config.architecture == "repository" else 5 + 6 * self.config.day_layers
        return self.day_tokens * (2 * days * high * wide + widths * self.config.width)

    def _cell_numbers(self) -> float:
        channels = self.config.decoder_width // 2
        return self.cells * ((3 * len(self.config.refinement) + 1) * channels + NUM_SUMMARIES * self.config.summaries)


@lru_cache(maxsize=8)
def _rates(bf16: bool, threads: int) -> tuple[float, float]:
    """Floating-point operations a second of one large product, and bytes a second that GELU passes over."""
    numbers = torch.ones(1024, 1024, dtype=torch.bfloat16 if bf16 else torch.float32)
    product = _fastest(lambda: numbers @ numbers)
    passed = _fastest(lambda: torch.nn.functional.gelu(numbers))
    return 2.0 * 1024**3 / product, numbers.nbytes / passed


def _fastest(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=1, repeat=4))
