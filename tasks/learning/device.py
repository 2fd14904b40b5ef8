"""The device that trains, and the precision that suits it."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.compute import Arithmetic, Compute
from tasks.machine import count_cores
from tasks.memory import keep_freed_memory

Network = TypeVar("Network", bound=nn.Module)


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Device:
    """A device, its number format for convolutions and matrix products, and the threads and replicas of a training."""

    torch_device: torch.device
    precision: torch.dtype
    threads: int
    replicas: int = 1

    @property
    def arithmetic(self) -> Arithmetic:
        """What the last bits of results on this device depend on."""
        precision = next(name for name, dtype in PRECISIONS.items() if dtype == self.precision)
        return Arithmetic(self.torch_device.type, precision, self.threads, name_instructions(self.torch_device))

    def resume(self, earlier: Arithmetic, folder: Path) -> "Device":
        """Return this device with the precision and threads of the `earlier` part of a training.

        Raises UserError, naming the `folder` of the checkpoint, when that was computed on other hardware.
        """
        here = self.arithmetic
        if (earlier.device, earlier.instructions) != (here.device, here.instructions):
            raise UserError(
                f"the training in {folder} began on {earlier.device} with {earlier.instructions}. Here, on "
                f"{here.device} with {here.instructions}, it would end with other last bits: continue it on the "
                "machine where it began, or delete that folder to start again"
            )
        torch.set_num_threads(earlier.threads)
        return replace(self, precision=PRECISIONS[earlier.precision], threads=earlier.threads)

    def autocast(self) -> AbstractContextManager[None]:
        """Return the autocast context of a forward pass."""
        enabled = self.precision != torch.float32
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16, enabled=enabled)

    def place(self, network: Network) -> Network:
        """Move a network to the device, in the memory format channels_last, which is faster on cpu and cuda."""
        return network.to(self.torch_device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def move(self, batch: Tensor) -> Tensor:
        """Move a batch to the device."""
        return batch.to(self.torch_device, non_blocking=True)


def open_device(compute: Compute) -> Device:
    """Return the device, precision and threads that `compute` asks for, and set the number of threads.

    Raises UserError when `compute.device` is cuda and there is no GPU.
    """
    threads = count_cores() if compute.threads == "auto" else compute.threads
    torch.set_num_threads(threads)
    keep_freed_memory()
    has_cuda = torch.cuda.is_available()
    if compute.device == "cuda" and not has_cuda:
        raise UserError("compute.device is cuda, but torch finds no GPU: set compute.device to auto or cpu")
    chosen = torch.device("cuda" if has_cuda and compute.device != "cpu" else "cpu")
    return Device(chosen, choose_precision(compute.precision, chosen), threads, compute.replicas)


def name_instructions(device: torch.device) -> str:
    """Return the fastest instruction set of the device for matrix products, such as avx2, or sm_90 for a GPU."""
    if device.type == "cuda":
        return "sm_{}{}".format(*torch.cuda.get_device_capability(device))
    if torch.cpu._is_amx_tile_supported():
        return "amx_bf16"
    return "avx512_bf16" if torch.cpu._is_avx512_bf16_supported() else torch.backends.cpu.get_cpu_capability().lower()


def choose_precision(wanted: str, device: torch.device) -> torch.dtype:
    """Return bfloat16 or float32; `auto` takes bfloat16 only if the hardware is faster with it.

    Measured with a convolutional network: training in bf16 is ten times slower than in fp32 on a processor with AVX2
    only, and 1.5 times slower on an Intel processor with AVX-512 bf16 but without AMX. On an AMD processor with
    AVX-512 bf16 it is 1.9 times faster.
    """
    if wanted == "auto":
        return torch.bfloat16 if _is_fast_in_bf16(device) else torch.float32
    return PRECISIONS[wanted]


def _is_fast_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_amx_tile_supported() or (torch.cpu._is_avx512_bf16_supported() and _is_by_amd())


def _is_by_amd() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "AuthenticAMD" in cpuinfo.read_text()
