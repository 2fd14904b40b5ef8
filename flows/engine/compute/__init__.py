"""Computes one stage. It imports neither DVC, nor Prefect, nor MLflow."""
