"""What MLflow is told of runs: journals on disk, and the process that sends them."""
