"""The two ways to run a graph, and the record of a run."""
