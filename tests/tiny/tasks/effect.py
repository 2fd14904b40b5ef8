"""Imported for what its import does."""

from tasks.registry import TABLE

TABLE["effect"] = str.strip
