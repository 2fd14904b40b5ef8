"""The command line and the tables and pages that it shows."""
