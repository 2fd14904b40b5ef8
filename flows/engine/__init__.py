"""The only code that knows Prefect, DVC and MLflow: one graph, two drivers, one cache."""

import time

# When this process began to import the project: code that is edited later is not the code that runs here.
STARTED_NS = time.time_ns()
