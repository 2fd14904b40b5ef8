"""The project's own Prefect and MLflow servers and worker, or a team's."""
