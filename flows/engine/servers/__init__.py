"""The project's own Prefect and MLflow servers and worker, or those of a team."""
