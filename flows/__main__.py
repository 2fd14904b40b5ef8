"""The command line: `python -m flows --help`."""

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if missing := [name for name in ("dvc", "mlflow", "prefect", "torch", "typer") if find_spec(name) is None]:
        sys.exit(
            f"error: {sys.executable} has no {', no '.join(missing)}: `. .venv/bin/activate` in the project's folder "
            "puts the Python with its packages, and their dvc, first on the PATH (`make doctor` installs them)"
        )
    from flows.commands.app import main

    main()
