"""The page that a run of a flow leaves behind: parts, charts, and what each domain shows."""
