"""The names of all tags of MLflow runs, versions and models; a name that ends in a dot is a prefix."""

# Of a run: the journal that it was sent from, and its stage (a flow's run has none).
JOURNAL = "journal"
STAGE = "stage"
# The md5 of the stage's output, which links a cached stage to the run that made it; the md5 of each input, by path.
OUTPUT_MD5 = "output.md5"
INPUT_MD5 = "input.md5."
# Of a flow's run, by stage: the md5 of the output; for a cached stage, the earlier run that made it.
OUTPUT_OF = "output.md5."
CACHED = "cached."
# The environment of a run: process, commit, changed files, library versions, devices and command.
HOST, PID, STARTED = "process.host", "process.pid", "process.started"
COMMIT, CHANGED = "git.commit", "git.changed"
VERSION = "version."
DEVICE, CPU, GPU, PLATFORM, COMMAND = "device", "cpu", "gpu", "platform", "command"
# The node that computed the stage; a run of a stage computed on the driver's machine has none.
NODE = "node"
# Of a version: the run that exported it, the md5 of its test data by stage, its metrics by name, and the name of the
# metric by which the gate compares it.
RUN = "run"
DATA_MD5 = "data.md5."
FIGURE = "figure."
METRIC = "metric"
# The alias that the gate gave it, and the gate's decision, which the exporting run and the flow's run have too.
GATE, DECISION = "gate", "verdict"
# When it became champion and when it stopped being it; of a model: all champions, oldest first, the current one last.
CHAMPION_SINCE, CHAMPION_UNTIL = "champion.since", "champion.until"
CHAMPIONS = "champions"
# MLflow's own tag names, which its pages read.
PARENT_RUN = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
EXPERIMENT_KIND = "mlflow.experimentKind"
USER, SOURCE_TYPE, SOURCE_NAME = "mlflow.user", "mlflow.source.type", "mlflow.source.name"
SOURCE_COMMIT = "mlflow.source.git.commit"
