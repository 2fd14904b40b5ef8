"""The two ways to run a graph, and what is recorded of a run."""
