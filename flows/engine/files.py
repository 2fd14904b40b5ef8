"""Text files: several written as one, and the end of a log."""

import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(texts: Mapping[Path, str]) -> None:
    """Write several text files: all are complete on disk before the first is renamed into place."""
    fresh = {path: path.with_name(f".{path.name}.{os.getpid()}.new") for path in texts}
    try:
        for path, text in texts.items():
            with fresh[path].open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path in texts:
            fresh[path].replace(path)
    finally:
        for path in fresh.values():
            path.unlink(missing_ok=True)


def read_last_lines(log: Path, count: int) -> str:
    """Return the last `count` lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
