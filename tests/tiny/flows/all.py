from flows.tiny import tiny

from flows.engine.stage import Chain

all = Chain("all", (tiny,))
