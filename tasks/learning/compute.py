"""The hardware and number format of training."""

from typing import Literal

from pydantic import Field

from tasks.section import Section


class Compute(Section):
    """The device, its precision and its threads."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: cuda if there is a GPU, else cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 if the hardware is faster with it")
    threads: int = Field(ge=1, le=256, description="threads of one training; the weights' last bits depend on it")
