"""Make the README's pictures from real runs: `python -m benchmarks.make_pictures FLOW`.

Run it after `make up` and two runs of the flow. It writes docs/pictures/report.png, prefect.png and
mlflow.png, each below 120 kB.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from flows.engine.project import ROOT
from flows.engine.servers.server import where
from flows.engine.tracking.mlflow_store import open_existing_store
from tests.browser import open_page

WINDOW = (1500, 1000)
WIDTH_PX = 900
COLOURS = 128
# Both pages load their figures after the page itself.
DRAWN_MS = 8000


def main(flow: str) -> None:
    """Open each page in a headless browser and write its picture."""
    folder = ROOT / "docs/pictures"
    folder.mkdir(exist_ok=True)
    for name, address in list_addresses(flow):
        with open_page(address, size=WINDOW) as opened:
            opened.page.wait_for_timeout(DRAWN_MS)
            if name == "mlflow":
                opened.page.get_by_role("button", name="Close").last.click()  # the panel beside the runs
                opened.page.wait_for_timeout(DRAWN_MS)
            write_small(opened.page.screenshot(), folder / f"{name}.png")


def list_addresses(flow: str) -> Iterator[tuple[str, str]]:
    """Yield each picture's name and the address of the page that it shows."""
    servers = {server.name: server.url for server in where(ROOT)}
    yield "report", (ROOT / ".trifold/reports" / flow / "report.html").as_uri()
    yield "prefect", f"{servers['prefect']}/runs"
    experiment = open_existing_store().get_experiment_by_name(flow).experiment_id
    # Only runs that trained; fresh runs have the same metrics.
    trained = quote(f"attributes.run_name LIKE '{flow}-fit%'")
    yield "mlflow", f"{servers['mlflow']}/#/experiments/{experiment}/runs?compareRunsMode=CHART&searchFilter={trained}"


def write_small(screenshot: bytes, path: Path) -> None:
    """Write a screenshot as a PNG of `WIDTH_PX` pixels' width and few colours."""
    picture = Image.open(io.BytesIO(screenshot)).convert("RGB")
    height_px = round(picture.height * WIDTH_PX / picture.width)
    small = picture.resize((WIDTH_PX, height_px), Image.Resampling.LANCZOS)
    small.quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
