"""Finds and deletes what nothing needs any more."""
