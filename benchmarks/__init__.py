"""Benchmarks against other tools: `make bench` prints all figures as one table."""
