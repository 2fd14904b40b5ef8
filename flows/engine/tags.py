"""Every tag of runs, versions and models in MLflow, and what it holds; a name that ends in a dot is a prefix."""

# Of a run: the journal that it was told by, and the stage that it records (a flow's run has none).
JOURNAL = "journal"
STAGE = "stage"
# The md5 of the stage's output, by which a cached stage finds its run; the md5 of each input, by its path.
OUTPUT_MD5 = "output.md5"
INPUT_MD5 = "input.md5."
# Of a flow's run: the md5 of the output of each stage, and the earlier run that made what was cached, by stage.
OUTPUT_OF = "output.md5."
CACHED = "cached."
# What a run ran on: its process, commit, changed files, library versions, devices and command.
HOST, PID, STARTED = "process.host", "process.pid", "process.started"
COMMIT, CHANGED = "git.commit", "git.changed"
VERSION = "version."
DEVICE, CPU, GPU, PLATFORM, COMMAND = "device", "cpu", "gpu", "platform", "command"
# Of a version: the run that exported it, the md5 of each part of its test data by stage, its figures by name.
RUN = "run"
DATA_MD5 = "data.md5."
FIGURE = "figure."
# The alias that the gate gave it; the verdict is also on the run that exported it and on the flow's.
GATE, VERDICT = "gate", "verdict"
# When it became champion and ceased to be; of a model, the versions to go back to, oldest first, the champion last.
CHAMPION_SINCE, CHAMPION_UNTIL = "champion.since", "champion.until"
CHAMPIONS = "champions"
# MLflow's own names, which its pages read.
PARENT_RUN = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
EXPERIMENT_KIND = "mlflow.experimentKind"
USER, SOURCE_TYPE, SOURCE_NAME = "mlflow.user", "mlflow.source.type", "mlflow.source.name"
SOURCE_COMMIT = "mlflow.source.git.commit"
