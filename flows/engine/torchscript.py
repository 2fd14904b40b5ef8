"""A TorchScript file as an MLflow model, with its signature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.pytorch
import numpy as np
import numpy.typing as npt
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature

from flows.engine.machine import read_versions


@dataclass(frozen=True)
class TorchScript:
    """A loaded model, one batch that it takes, and what both say of its signature."""

    module: Any
    example: npt.NDArray[Any]
    signature: ModelSignature

    @classmethod
    def load(cls, torchscript: Path, example: Path) -> "TorchScript":
        """Load a model and an .npy file with one batch. Raises RuntimeError or ValueError when it cannot answer."""
        module = torch.jit.load(torchscript, map_location="cpu").eval()
        batch = np.load(example, allow_pickle=False)
        with torch.inference_mode():
            answer = module(torch.from_numpy(batch)).numpy()
        return cls(module, batch, infer_signature(batch, answer))

    def save(self, folder: Path, run_id: str, model_id: str) -> None:
        """Write the folder that MLflow keeps. Raises ValueError when MLflow cannot write such a model."""
        try:
            mlflow.pytorch.save_model(
                self.module,
                folder,
                mlflow_model=Model(run_id=run_id, model_id=model_id),
                signature=self.signature,
                input_example=self.example,
                # Named, since MLflow would otherwise load the model in one more process to find out.
                pip_requirements=[f"{name}=={read_versions()[name]}" for name in ("torch", "numpy")],
                # MLflow's word for whatever is not its "pt2"; a ScriptModule is written as TorchScript.
                serialization_format="pickle",
            )
        except MlflowException as error:
            raise ValueError(f"MLflow cannot write the model: {error.message}") from error
