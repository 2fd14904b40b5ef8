"""The hardware and number format of training."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tasks.machine import count_cores
from tasks.section import Need, Section


class Compute(Section):
    """The device, its precision and its threads."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: cuda if there is a GPU, else cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 if the hardware is faster with it")
    threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        description="threads of one training; auto: the cores it may use; the weights' last bits depend on it"
    )

    def need(self) -> Need:
        """Return the share of the cores that the threads keep busy, or the GPU."""
        cores = 1.0 if self.threads == "auto" else min(1.0, self.threads / count_cores())
        return Need(cores, gpu=self.device != "cpu")


@dataclass(frozen=True)
class Arithmetic:
    """What the last bits of a result depend on: device, precision, threads and the instructions of matrix products.

    `precision` is fp32 or bf16; `instructions` is for example amx_bf16, avx512_bf16 or avx2, on a GPU sm_90.
    """

    device: str
    precision: str
    threads: int
    instructions: str
