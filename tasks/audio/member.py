"""One member of the ensemble: its network, its recipe and its augmentation."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tasks.learning.recipe import ConvolutionRecipe, Schedule


class Member(ConvolutionRecipe, Schedule):
    """How one network learns sounds; masks, pitch shift and tone changes need spectrograms."""

    domain: ClassVar[str] = "audio"
    lesson: ClassVar[str] = "tasks.audio.lesson"

    features: Literal["spectrogram", "waveform"] = Field(description="what the network reads")
    time_shift: float = Field(ge=0, le=1, description="largest cyclic shift, share of the clip")
    gain_db: float = Field(ge=0, le=40, description="largest change of loudness, dB up or down")
    tone_db: float = Field(ge=0, le=40, description="largest change of some bands of the spectrum, dB up or down")
    pitch_shift_bands: int = Field(ge=0, description="largest shift up or down, mel bands")
    freq_mask_bands: int = Field(ge=0, description="widest masked stripe of mel bands; 0: none")
    time_mask_frames: int = Field(ge=0, description="longest masked stretch, frames; 0: none")

    @model_validator(mode="after")
    def _check_features(self) -> Self:
        keys = ("tone_db", "pitch_shift_bands", "freq_mask_bands", "time_mask_frames")
        banded = [key for key in keys if getattr(self, key)]
        if self.features == "waveform" and banded:
            raise ValueError(f"{', '.join(banded)} must be 0 with features waveform: it has neither bands nor frames")
        return self
