#!/bin/sh
# The pool, for one run at a time, and the deployments of prefect.yaml, on the server that PREFECT_API_URL names.
# May be called again, after a change of either.
set -eu
cd "$(dirname "$0")/.."
prefect --no-prompt work-pool create trifold --type kubernetes --base-job-template deploy/pool.json --overwrite
prefect --no-prompt work-pool set-concurrency-limit trifold 1
python -m flows deploy
