"""Tracking: journals of runs on disk, and the process that sends them to MLflow."""
