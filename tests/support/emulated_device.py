"""An emulated accelerator: tensors that hold CPU values, report another device, and refuse to meet the CPU's.

A machine without an accelerator computes with them for real, so a training runs to its end, and fails where a real
accelerator would: two devices in one operation, a random generator of the CPU for a tensor of the device, ``numpy()``
without ``cpu()``. As in torch, CPU tensors without dimensions may join elementwise operations, and CPU indices may
select from a tensor of the device.

The reported device is ``meta``, the one name beside ``cpu`` that torch's autograd serves without a driver.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

import engine.compute
from engine.training import trainer

DEVICE = torch.device("meta")

_aten = torch.ops.aten
_COPIES = {_aten.copy_, _aten._to_copy, _aten.set_}
_INDEXED = {_aten.index, _aten.index_put, _aten.index_put_, _aten._unsafe_index, _aten._index_put_impl_}
_WAITS = {_aten._local_scalar_dense, _aten.nonzero, _aten.equal, _aten.masked_select, _aten.is_nonzero}


class DeviceTensor(torch.Tensor):
    """A tensor of the emulated device; ``value`` is what it holds, a tensor of the CPU."""

    value: torch.Tensor
    is_meta = False  # it has values

    @staticmethod
    def __new__(cls, value: torch.Tensor) -> DeviceTensor:
        wrapper = torch.Tensor._make_wrapper_subclass(
            cls, value.shape, value.stride(), value.storage_offset(), dtype=value.dtype, device=DEVICE
        )
        wrapper.value = value
        return wrapper

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()

    def __repr__(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return f"DeviceTensor({self.value!r})"

    def tolist(self) -> Any:
        """As of any tensor: torch has none for its subclasses."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})[0]


class _Constants(TorchFunctionMode):
    """``torch.tensor(…, device="meta")`` and an index that is a list make tensors without values that no dispatch sees;
    here they are copied from the CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        if func is torch.tensor and target is not None and torch.device(target) == DEVICE:
            return func(*args, **{**kwargs, "device": "cpu"}).to(DEVICE)
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and isinstance(args[1], list):
            args = (args[0], torch.tensor(args[1]), *args[2:])
        return func(*args, **kwargs)


class EmulatedDevice(TorchDispatchMode):
    """Inside the block ``device="meta"`` is the emulated device; ``waits`` are the operations that waited for it.

    A real accelerator computes behind the program's back; an operation whose result the program reads, or whose
    size depends on the values, waits for all that was asked before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result, is_on_device = _run(func, args, kwargs or {})
        if is_on_device and _waits(func, args, result):
            self.waits.append(str(func))
        return result


@contextmanager
def emulated_device(patched: pytest.MonkeyPatch) -> Generator[EmulatedDevice]:
    """The emulated device, and every training of the engine on it."""
    choose = engine.compute.device
    for name, module in list(sys.modules.items()):
        if name.startswith("engine.") and getattr(module, "device", None) is choose:
            patched.setattr(module, "device", lambda: DEVICE)
    patched.setattr(torch, "autocast", _autocast)
    patched.setattr(torch, "inference_mode", torch.no_grad)  # which wrapped tensors cannot enter
    patched.setattr(trainer, "ThreadPoolExecutor", partial(ThreadPoolExecutor, initializer=_enter))
    # parameters keep their identity when a module moves, as they do on a real accelerator
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with EmulatedDevice() as mode, _Constants():
            yield mode
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


def _enter() -> None:
    """In a thread of its own, which does not inherit the modes of the one that started it."""
    EmulatedDevice().__enter__()
    _Constants().__enter__()


def _autocast(device_type: str, *arguments: Any, _of_torch: Any = torch.autocast, **keywords: Any) -> Any:
    """The emulated device has one precision; torch has no other for it."""
    return nullcontext() if device_type == DEVICE.type else _of_torch(device_type, *arguments, **keywords)


def values(tree: Any) -> Any:
    """The same tree with the values of its tensors, on the CPU."""
    return tree_map(lambda leaf: leaf.value if isinstance(leaf, DeviceTensor) else leaf, tree)


def _run(func: Any, args: Any, kwargs: Any) -> tuple[Any, bool]:
    """The result, and whether the emulated device had a part in it."""
    leaves = tree_flatten((args, kwargs))[0]
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    on_device = [tensor for tensor in tensors if isinstance(tensor, DeviceTensor)]
    target = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    if not on_device and target != DEVICE:
        return func(*args, **kwargs), False
    if any(tensor.device == DEVICE and not isinstance(tensor, DeviceTensor) for tensor in tensors):
        raise RuntimeError(f"{func}: a tensor of the device was made past the emulation and has no values")
    if on_device and len(on_device) < len(tensors):
        _refuse_mixture(func, args, tensors)
    generator = kwargs.get("generator")
    if generator is not None:
        raise RuntimeError(f"{func}: expected a generator of the device, found one of {generator.device}")
    inner = dict(values(kwargs))
    if "device" in inner:
        inner["device"] = torch.device("cpu")
    if func.overloadpacket is _aten._to_copy and target != DEVICE and target is not None:
        return func(*values(args), **inner).clone(), True
    result = func(*values(args), **inner)
    if func.overloadpacket is _aten.copy_ and not isinstance(args[0], DeviceTensor):
        return args[0], True
    wrapped = tree_map(lambda leaf: DeviceTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf, result)
    return return_and_correct_aliasing(func, args, kwargs, wrapped), True


def _refuse_mixture(func: Any, args: Any, tensors: list[torch.Tensor]) -> None:
    packet = func.overloadpacket
    if packet in _COPIES:
        return
    others = [tensor for tensor in tensors if not isinstance(tensor, DeviceTensor)]
    if packet in _INDEXED and isinstance(args[0], DeviceTensor):
        indices = [index for index in args[1] if index is not None]
        others = [tensor for tensor in others if not any(tensor is index for index in indices) and tensor.ndim > 0]
    elif torch.Tag.pointwise in func.tags:
        others = [tensor for tensor in others if tensor.ndim > 0]
    if others:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in others)
        raise RuntimeError(f"{func}: expected all tensors on the same device, found some on the CPU: {shapes}")


def _waits(func: Any, args: Any, result: Any) -> bool:
    packet = func.overloadpacket
    if packet in _WAITS:
        return True
    if packet is _aten.copy_:
        return not isinstance(args[0], DeviceTensor)
    if packet in _INDEXED:
        return any(index is not None and index.dtype == torch.bool for index in args[1])
    return packet is _aten._to_copy and not isinstance(result, DeviceTensor)
