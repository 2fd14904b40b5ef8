"""Which stages are fresh, and what the cache keeps: the only code that imports DVC."""
