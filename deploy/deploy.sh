#!/bin/sh
# Creates the work pool, for one run at a time, and deploys prefect.yaml, on the server in PREFECT_API_URL.
# Run it again after a change of deploy/pool.json or prefect.yaml.
set -eu
cd "$(dirname "$0")/.."
prefect --no-prompt work-pool create trifold --type kubernetes --base-job-template deploy/pool.json --overwrite
prefect --no-prompt work-pool set-concurrency-limit trifold 1
python -m flows deploy
