"""What is fresh and what is kept: the only code that knows DVC."""
