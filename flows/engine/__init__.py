"""The only code that knows Prefect, DVC and MLflow: one graph, two drivers, one cache."""
