"""Registered models: versions, the gate, comparison of runs."""
