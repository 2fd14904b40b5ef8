"""Predictions of several versions of a registered model for the same file or text, side by side."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.engine.errors import EngineError
from flows.engine.graph.dvc_yaml import find_export
from flows.engine.graph.stage import Registered
from flows.engine.registry.versions import CHALLENGER, CHAMPION, Registry, Version
from tasks.errors import UserError
from tasks.learning.answers import Answer, ask_model
from tasks.learning.served import BINARY, FILE, Served

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The number of classes shown at first; a click shows the others.
SHOWN = 8


class Named(BytesIO):
    """An uploaded file; messages show its name, since its temporary path means nothing to the user."""

    def __init__(self, file: Path) -> None:
        super().__init__(file.read_bytes())
        self.name = file.name

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Contender:
    """An opened version; `given` names what it classifies, such as `text`.

    `explain` draws which parts of a file supported the class; None where that cannot be drawn.
    """

    alias: str
    version: Version
    given: str
    served: Served
    explain: Callable[[Any], NDArray[np.uint8] | None] | None

    def render(self, given: Path | str) -> str:
        """Return its prediction as HTML. Raises UserError when it cannot read the input."""
        asked: Any = Named(given) if isinstance(given, Path) else given
        (answer,) = ask_model(self.served, [asked], top=len(self.served.labels))
        picture = self.explain(Named(given)) if self.explain and isinstance(given, Path) else None
        drawn = "" if picture is None else _draw_picture(picture, answer.classes[0][0])
        subtitle = f"version {self.version.number}{_format_accuracy(self.version)}"
        heading = f"<h3>{escape(self.alias)} <small>{escape(subtitle)}</small></h3>"
        return f'<section class="contender" data-alias="{self.alias}">{heading}{_draw_bars(answer)}{drawn}</section>'


def open_contenders(registry: Registry, flow: str, folder: Path) -> list[Contender]:
    """Open a flow's champion, and its challenger if there is one; their files are copied into `folder`.

    Raises EngineError when there is no champion, and UserError when a version cannot be read.
    """
    versions = {alias: version for version in registry.list_versions(flow) for alias in version.aliases}
    if CHAMPION not in versions:
        raise EngineError(f"{flow} has no champion: choose one with `python -m flows models promote {flow} VERSION`")
    chosen = {alias: versions[alias] for alias in (CHAMPION, CHALLENGER) if alias in versions}
    _, registered = find_export(flow)
    return [_open_contender(registered, alias, version, folder / alias) for alias, version in chosen.items()]


def _open_contender(registered: Registered, alias: str, version: Version, folder: Path) -> Contender:
    from flows.engine.registry.packing import unpack_model

    model, explainer = unpack_model(version, folder) / FILE, registered.explainer
    explain = explainer.open_explainer(model) if explainer else None
    return Contender(alias, version, registered.loader.GIVEN, registered.loader.open_model(model), explain)


def takes_files(contenders: Sequence[Contender]) -> bool:
    """Return whether the model classifies files, rather than texts."""
    return contenders[0].served.column == BINARY


def render_answers(contenders: Sequence[Contender], given: Path | str | None) -> str:
    """Return the predictions of all contenders, or what is wrong with the input, as HTML."""
    try:
        if given is None:
            raise UserError("no file was given: drop one on the field, or click the field to choose one")
        answers = "".join(contender.render(given) for contender in contenders)
    except UserError as error:
        return f'<div class="refusal" role="alert">{escape(str(error))}</div>'
    return f'<div class="contenders">{answers}</div>'


def _format_accuracy(version: Version) -> str:
    from flows.engine.tags import FIGURE

    accuracy = version.tags.get(f"{FIGURE}accuracy")
    return "" if accuracy is None else f", test accuracy {float(accuracy):.1%}"


def _draw_bars(answer: Answer) -> str:
    bars = [
        f'<li><span class="label">{escape(label)}</span><span class="share">{share:.1%}</span>'
        f'<span class="bar"><span style="width:{share:.2%}"></span></span></li>'
        for label, share in answer.classes
    ]
    first, rest = "".join(bars[:SHOWN]), "".join(bars[SHOWN:])
    more = f"<details><summary>{len(bars) - SHOWN} more classes</summary><ol>{rest}</ol></details>" if rest else ""
    return f"<ol>{first}</ol>{more}"


def _draw_picture(picture: NDArray[np.uint8], label: str) -> str:
    from PIL import Image

    png = BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    caption = f"Support for {escape(label)}: brighter parts support it more"
    content = base64.b64encode(png.getvalue()).decode()
    image = f'<img alt="{caption}" src="data:image/png;base64,{content}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
