"""Where learning runs, and with which numbers."""

from typing import Literal

from pydantic import Field

from tasks.section import Section


class Compute(Section):
    """The processor, its arithmetic and its threads."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto: cuda where there is one, else cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 where the hardware is faster with it")
    threads: int = Field(ge=1, le=256, description="threads of one training; other numbers, other last bits")
