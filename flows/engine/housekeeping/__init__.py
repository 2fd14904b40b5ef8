"""What can be deleted, and its deletion."""
