"""Renders chapters to one self-contained HTML file, with style, script and chart library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from flows.engine.drivers.record import FlowRecord
from flows.engine.files import write_whole
from flows.engine.project import make_state_folder
from flows.engine.tags import CHANGED, COMMAND, COMMIT, DEVICE, HOST, VERSION
from flows.report.blocks import Chapter

HERE = Path(__file__).parent


def render_page(record: FlowRecord, chapters: Sequence[Chapter]) -> str:
    """Return the report of a run as HTML, without empty chapters. All texts are escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    began = datetime.fromtimestamp(record.began_ms / 1000).astimezone()
    commit, changed = record.about.get(COMMIT, "none")[:8], record.about.get(CHANGED, "none") != "none"
    about = [f"{began:%Y-%m-%d %H:%M %Z}", f"commit {commit}{' with uncommitted changes' if changed else ''}"]
    about += [record.about[name] for name in (DEVICE, HOST) if name in record.about]
    tags = sorted(record.about.items())
    versions = [f"{key.removeprefix(VERSION)} {value}" for key, value in tags if key.startswith(VERSION)]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((HERE / "page.html").read_text(encoding="utf-8")).render(
        title=f"{record.flow}, {began:%Y-%m-%d %H:%M}",
        flow=record.flow,
        status=record.status,
        subtitle=" · ".join(about),
        chapters=[chapter for chapter in chapters if chapter.blocks],
        footer=" · ".join([*versions, record.about.get(COMMAND, "")]),
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        library=Markup(bundle_vega()),
    )


def bundle_vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; bundling takes a second, so the script is kept on disk."""
    kept = make_state_folder("reports") / f"vega-{version('vl-convert-python')}.js"
    if not kept.exists():
        from vl_convert import javascript_bundle

        # Its stub requires a snippet; without one, the three libraries are bundled.
        bundle = javascript_bundle()  # type: ignore[call-arg]
        write_whole({kept: bundle.replace("</script", "<\\/script")})
    return kept.read_text(encoding="utf-8")
