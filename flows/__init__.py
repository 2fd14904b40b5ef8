"""What runs, in what order: one flow a file."""
