"""Failure notification: an artifact in Prefect, and a request to the address in TRIFOLD_FAILURE_URL if it is set."""

from __future__ import annotations

import json
import os
import traceback
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from flows.engine.console import say
from flows.engine.drivers.request import Request
from flows.engine.errors import explain, is_fixable
from flows.engine.redact import strip_secrets

HOOK = "TRIFOLD_FAILURE_URL"
ANSWER_S = 10.0
TRACE_LINES = 20


@dataclass(frozen=True)
class Failure:
    """The description of a failed run."""

    flow: str
    stage: str
    error: str
    log: str
    resume: str

    @classmethod
    def of(cls, stage: str, error: BaseException, said: Sequence[str], *, flow: str, request: Request) -> Failure:
        """Describe the error of a stage that printed the lines `said`; a bug gets the end of its traceback."""
        lines = list(said)
        if not is_fixable(error):
            lines += "".join(traceback.format_exception(error)).splitlines()[-TRACE_LINES:]
        log = "\n".join(lines)
        message = explain(error) or type(error).__name__
        resume = request.as_command(flow)
        return cls(flow, stage, strip_secrets(message), strip_secrets(log), strip_secrets(resume))

    def as_markdown(self) -> str:
        """Return a page for Prefect."""
        return (
            f"# {self.stage} failed\n\n{self.error}\n\n## Last lines\n\n```\n{self.log}\n```\n\n"
            f"## Resume\n\n```\n{self.resume}\n```\n\n"
            "Finished stages are not computed again, and trainings continue from their checkpoints.\n"
        )

    def as_json(self) -> bytes:
        """Return the body of the web hook's request; chat services show its `text`."""
        text = f"{self.stage} failed: {self.error}\nResume with: {self.resume}"
        return json.dumps({"text": text, **asdict(self)}).encode()


def notify_failure(failure: Failure) -> None:
    """Write an artifact of the current flow run and call the web hook; a failure of either is only printed."""
    from prefect.artifacts import create_markdown_artifact

    try:
        create_markdown_artifact(failure.as_markdown(), key=f"{failure.flow}-failure", description=failure.error)
    except Exception as error:  # noqa: BLE001 - the stage's own error is the one that counts
        say(f"Prefect's failure page could not be written: {error}")
    if address := os.environ.get(HOOK):
        _call_hook(address, failure.as_json())


def _call_hook(address: str, content: bytes) -> None:
    try:
        request = urllib.request.Request(address, content, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=ANSWER_S).close()
    except (OSError, ValueError) as error:
        # The address is usually a secret itself.
        say(f"the address in {HOOK} could not be called: {type(error).__name__}")
