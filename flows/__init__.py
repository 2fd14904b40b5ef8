"""What runs, in what order: one flow a file."""

import sys
from importlib.util import find_spec

if find_spec("fcntl") is None:
    sys.exit(
        f"error: Python on {sys.platform} has no fcntl, whose file locks the engine needs: trifold runs on Linux and "
        "macOS; on Windows, run it in WSL (`wsl --install`)"
    )
