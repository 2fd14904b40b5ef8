"""How one stage is computed. It knows neither DVC, nor Prefect, nor MLflow."""
