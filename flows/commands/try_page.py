"""The page to try a registered model: Gradio on loopback, without analytics or network access."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.commands.trial import Contender, open_contenders, render_answers, takes_files
from flows.engine.registry.versions import Registry
from flows.engine.servers.server import find_port
from flows.engine.servers.specs import HOST

if TYPE_CHECKING:
    import gradio

USUAL_PORT = 7860
LARGEST_FILE = "100mb"
# How long a request may continue after Ctrl-C, seconds; a browser's open page is a request.
PATIENCE_S = 1
FONT = ("system-ui", "sans-serif")
CSS = """
.answers { padding: 0 !important; }
.contenders { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.contender { border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 1rem 1.25rem;
  background: var(--background-fill-primary); }
.contender h3 { margin: 0 0 .75rem; text-transform: capitalize; }
.contender h3 small { font-weight: normal; text-transform: none; opacity: .75; }
.contender ol { list-style: none; margin: 0; padding: 0; }
.contender li { display: grid; grid-template-columns: 1fr auto; gap: 0 .75rem; margin: 0 0 .45rem; }
.contender .share { font-variant-numeric: tabular-nums; }
.contender .bar { grid-column: 1 / -1; height: .35rem; border-radius: 3px; background: var(--border-color-primary); }
.contender .bar span { display: block; height: 100%; border-radius: 3px; background: var(--color-accent); }
.contender li:first-child .label, .contender ol:first-of-type li:first-child .share { font-weight: 600; }
.contender summary { cursor: pointer; opacity: .75; margin: .25rem 0 .5rem; }
.contender figure { margin: 1rem 0 0; }
.contender img { width: 100%; border-radius: 6px; }
.contender figcaption { opacity: .75; font-size: .85rem; margin-top: .35rem; }
.refusal { border-left: 4px solid #c0392b; padding: .75rem 1rem; background: var(--background-fill-secondary);
  border-radius: 4px; overflow-wrap: anywhere; }
"""


def serve_page(registry: Registry, flow: str, *, on_start: Callable[[str], None]) -> None:
    """Serve the page for a flow's champion and challenger until Ctrl-C; `on_start` receives its address.

    Raises EngineError when there is no champion, and UserError when a version cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="trifold-try-") as folder:
        _set_quiet(Path(folder, "uploads"))
        app = _make_app(flow, open_contenders(registry, flow, Path(folder)))
        port = find_port(USUAL_PORT)
        on_start(f"http://{HOST}:{port}")
        _serve(app, port)


def _set_quiet(uploads: Path) -> None:
    """Turn off Gradio's analytics and network access, and keep uploads in a folder that is deleted."""
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(uploads),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _make_app(flow: str, contenders: Sequence[Contender]) -> Any:
    import gradio
    from fastapi import FastAPI

    theme = gradio.themes.Default(font=FONT, font_mono=("monospace",))
    return gradio.mount_gradio_app(
        FastAPI(),
        _build_page(flow, contenders),
        path="/",
        server_name=HOST,
        footer_links=[],
        max_file_size=LARGEST_FILE,
        ssr_mode=False,
        theme=theme,
        css=CSS,
    )


def _build_page(flow: str, contenders: Sequence[Contender]) -> gradio.Blocks:
    import gradio

    def ask(given: str | None) -> str:
        path = Path(given) if given and takes_files(contenders) else None
        return render_answers(contenders, path if takes_files(contenders) else given or "")

    with gradio.Blocks(title=f"trifold: try {flow}") as page:
        gradio.Markdown(_write_heading(flow, contenders))
        with gradio.Row(equal_height=False):
            with gradio.Column(scale=1, min_width=280):
                label = f"A {contenders[0].given}"
                given: Any = (
                    gradio.File(label=label, type="filepath", height=160)
                    if takes_files(contenders)
                    else gradio.Textbox(label=label, lines=5, placeholder="Type or paste a text", autofocus=True)
                )
                button = gradio.Button("Ask", variant="primary")
            with gradio.Column(scale=2, min_width=320):
                answers = gradio.HTML(elem_classes="answers")
        button.click(ask, given, answers, api_name="ask")
    return page


def _write_heading(flow: str, contenders: Sequence[Contender]) -> str:
    what = "Drop a file" if takes_files(contenders) else "Type a text"
    asked = " and ".join(f"the {contender.alias}" for contender in contenders)
    return f"# Try {flow}\n{what} and ask {asked}{' side by side' if len(contenders) > 1 else ''}."


def _serve(app: Any, port: int) -> None:
    import uvicorn

    config = uvicorn.Config(
        app, host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=PATIENCE_S, ws="none"
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run()
