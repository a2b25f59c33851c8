"""The file of a harmonic basis: safetensors with metadata; nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from engine.errors import StoreError
from engine.files import write_atomic
from engine.sphere.grid import LatLonGrid

FORMAT = "harmonia.harmonic_basis"
VERSION = 1
ORDER_CONVENTION = "flat index l*l + l + m; m < 0 sin(|m| lon), m > 0 cos(m lon); orthonormal; no Condon-Shortley phase"

_TENSORS = ("mean", "components", "eigenvalues", "std")


def domain_text(domain: dict[str, Any]) -> str:
    """``domain`` as JSON, the same text for the same content."""
    return json.dumps(domain, sort_keys=True)


def write(
    path: Path,
    tensors: dict[str, Tensor],
    grid: LatLonGrid,
    where: Tensor | None,
    domain: dict[str, Any],
    max_degree: int,
    key: str,
    attributes: Mapping[str, object],
) -> None:
    """Write the file atomically; ``attributes`` are further metadata."""
    content = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    content |= {"lat": torch.tensor(grid.lat), "lon": torch.tensor(grid.lon)}
    if where is not None:
        content["where_bits"] = torch.tensor(np.packbits(where.cpu().numpy()))
    metadata = {name: str(value) for name, value in attributes.items()} | {
        "format": FORMAT,
        "version": str(VERSION),
        "order": ORDER_CONVENTION,
        "max_degree": str(max_degree),
        "grid_key": grid.key,
        "grid_shape": json.dumps(grid.shape),
        "domain": domain_text(domain),
        "key": key,
    }
    write_atomic(path, save(content, metadata))


def read(path: Path) -> tuple[dict[str, Any], str]:
    """The fields of the basis in the file, and the content hash it claims."""
    if not path.is_file():
        raise StoreError("there is no such file", str(path), "check the path")
    try:
        with cast(Any, safe_open(path, framework="pt")) as file:
            metadata: dict[str, str] = file.metadata() or {}
            _refuse_foreign(path, metadata)
            content: dict[str, Any] = {name: file.get_tensor(name) for name in _TENSORS}
            grid = LatLonGrid(file.get_tensor("lat").numpy(), file.get_tensor("lon").numpy())
            bits: Tensor | None = file.get_tensor("where_bits") if "where_bits" in set(file.keys()) else None
        cells = grid.shape[0] * grid.shape[1]
        where = None
        if bits is not None:
            if 8 * bits.numel() < cells:
                raise ValueError(f"the mask has fewer than {cells:,} cells")
            where = torch.tensor(np.unpackbits(bits.numpy(), count=cells).astype(bool).reshape(grid.shape))
        content |= {"grid": grid, "where": where, "domain": json.loads(metadata["domain"])}
        return content | {"max_degree": int(metadata["max_degree"])}, metadata["key"]
    except StoreError:
        raise
    except Exception as error:  # safetensors, JSON and torch raise many types for damaged content
        raise damaged(path, str(error)) from error


def damaged(path: Path, why: str) -> StoreError:
    """The error for a damaged basis file."""
    return StoreError(f"the basis file is damaged: {why}", str(path), "fit the basis again, or take an undamaged copy")


def _refuse_foreign(path: Path, metadata: dict[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise StoreError(
            "the file holds something other than a harmonic basis", str(path), "choose a file saved as a basis"
        )
    if int(metadata["version"]) > VERSION:
        raise StoreError(
            f"the basis was written by a newer version (file {metadata['version']}, here {VERSION})",
            str(path),
            "update Harmonia",
        )
