"""One member of the ensemble: its network, its recipe and its augmentation."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tasks.learning.recipe import ConvolutionRecipe, Schedule

UNUSABLE = {
    "waveform": ("tone_db", "pitch_shift_bands", "freq_mask_bands", "time_mask_frames"),
    "spectrogram": ("time_stretch", "pitch_shift"),
}
REASONS = {
    "waveform": "it has neither bands nor frames",
    "spectrogram": "it has no phases; it has time_shift and pitch_shift_bands",
}


class Member(ConvolutionRecipe, Schedule):
    """How one network learns sounds; changes of bands and masks need spectrograms, changes of speed need waveforms."""

    domain: ClassVar[str] = "audio"
    lesson: ClassVar[str] = "tasks.audio.lesson"

    features: Literal["spectrogram", "waveform"] = Field(description="what the network reads")
    time_shift: float = Field(ge=0, le=1, description="largest cyclic shift, share of the clip")
    gain_db: float = Field(ge=0, le=40, description="largest change of loudness, dB up or down")
    tone_db: float = Field(ge=0, le=40, description="largest change of some bands of the spectrum, dB up or down")
    pitch_shift_bands: int = Field(ge=0, description="largest shift up or down, mel bands")
    freq_mask_bands: int = Field(ge=0, description="widest masked stripe of mel bands; 0: none")
    time_mask_frames: int = Field(ge=0, description="longest masked stretch, frames; 0: none")

    time_stretch: float = Field(ge=0, le=0.5, description="largest change of speed, pitch unchanged, share")
    pitch_shift: float = Field(ge=0, le=12, description="largest shift up or down, speed unchanged, semitones")

    @model_validator(mode="after")
    def _check_features(self) -> Self:
        unusable = [key for key in UNUSABLE[self.features] if getattr(self, key)]
        if unusable:
            raise ValueError(f"{', '.join(unusable)} must be 0 with features {self.features}: {REASONS[self.features]}")
        return self
