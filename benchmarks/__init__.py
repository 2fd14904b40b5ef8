"""Figures against peers: one command, one table."""
