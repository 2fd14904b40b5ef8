"""The hardware and number format of training."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator

from tasks.machine import count_cores
from tasks.section import Need, Section


class Compute(Section):
    """The device, its precision and its threads."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: cuda if there is a GPU, else cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 if the hardware is faster with it")
    threads: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        description="threads of one training; auto: the cores it may use; the weights' last bits depend on it"
    )

    replicas: int = Field(ge=1, le=64, description="copies of the network that share each batch; a power of two")

    @field_validator("replicas")
    @classmethod
    def _check_replicas(cls, replicas: int) -> int:
        if replicas & (replicas - 1):
            raise ValueError("must be 1, 2, 4, 8, 16, 32 or 64")
        return replicas

    def need(self) -> Need:
        """Return the share of the cores that the threads of all replicas keep busy, or a GPU for each."""
        cores = 1.0 if self.threads == "auto" else min(1.0, self.threads * self.replicas / count_cores())
        return Need(cores, gpus=self.replicas if self.device != "cpu" else 0)


@dataclass(frozen=True)
class Arithmetic:
    """What the last bits of a result depend on: device, precision, threads and the instructions of matrix products.

    `precision` is fp32 or bf16; `instructions` is for example amx_bf16, avx512_bf16 or avx2, on a GPU sm_90.
    """

    device: str
    precision: str
    threads: int
    instructions: str
