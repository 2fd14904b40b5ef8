"""The only code that uses Prefect, DVC and MLflow: one graph, two drivers, one cache."""
