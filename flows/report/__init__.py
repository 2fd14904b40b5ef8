"""The report, one HTML page for each run of a flow: its blocks, charts, and the content of each domain."""
