"""One journal, brought into MLflow as far as it goes."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mlflow.exceptions import MlflowException

from flows.engine.tracking.journal import OUTPUT_TAG
from flows.engine.tracking.ledger import keep_verdict
from flows.engine.tracking.outbox import (
    EVENTS,
    SENT,
    SYSTEM,
    Line,
    append_event,
    drop_journal,
    has_writer,
    leave_told,
    read_ending,
    read_json,
    read_lines,
    read_opening,
    write_json,
)
from flows.engine.tracking.sampler import Sampler
from flows.engine.tracking.tracker import Tracker, is_refusal

SAMPLES_A_CALL = 5
# A model that cannot be asked, code that is gone, an event that an older version of the project wrote.
UNSENDABLE = (RuntimeError, ValueError, LookupError, AttributeError, ImportError, FileNotFoundError)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """How far a journal has been sent; written after each step, so that a break repeats one step at most."""

    run_id: str = ""
    events: int = 0
    samples: int = 0
    sampled_ms: int = 0
    sample_count: int = 0


def send_journal(journal: Path, tracker: Tracker, sampler: Sampler) -> None:
    """Send what a journal holds by now, and what was sampled meanwhile.

    Raises MlflowException or OSError when the tracker does not answer; what is not sent stays.
    """
    ended = not has_writer(journal)
    sent = _keep_samples(journal, _load(journal), sampler)
    if not sent.run_id:
        sent = _save(journal, replace(sent, run_id=tracker.begin(journal.name, read_opening(journal))))
    sent = _send_events(journal, sent, tracker)
    _send_samples(journal, sent, tracker, at_least=1 if ended else SAMPLES_A_CALL)


def close_journal(journal: Path, tracker: Tracker, sampler: Sampler) -> None:
    """Send the rest of a journal that has ended, end its run, and delete the journal.

    Its links come now, so that the runs they lead to have been sent; raises as `send_journal` does.
    """
    send_journal(journal, tracker, sampler)
    run_id = _load(journal).run_id
    for line in read_lines(journal / EVENTS):
        if line.event["event"] == "link":
            tracker.link(run_id, line.event["stage"], line.event["tags"])
    status = read_ending(journal / EVENTS).get("status", "KILLED")
    try:
        tracker.end(run_id, status, _find_end_ms(journal) or _now_ms())
    except MlflowException as error:
        if not is_refusal(error):
            raise
        log.exception("%s: MLflow did not take the end", journal.name)
    drop_journal(journal)


def _send_events(journal: Path, sent: Sent, tracker: Tracker) -> Sent:
    for lines in _batch(read_lines(journal / EVENTS, sent.events)):
        kind = lines[0].event["event"]
        try:
            _send(lines, journal, sent.run_id, tracker)
        except (MlflowException, *UNSENDABLE) as error:
            if isinstance(error, MlflowException) and not is_refusal(error):
                raise
            log.exception("%s: MLflow did not take %s", journal.name, kind)
        sent = _save(journal, replace(sent, events=lines[-1].end))
    return sent


def _batch(lines: list[Line]) -> Iterator[list[Line]]:
    """Put figures that follow one another together; every other event stands alone."""
    batch: list[Line] = []
    for line in lines:
        if batch and not line.event["event"] == batch[-1].event["event"] == "metrics":
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _send(lines: list[Line], journal: Path, run_id: str, tracker: Tracker) -> None:
    event = lines[0].event
    match event["event"]:
        case "metrics":
            tracker.measure(run_id, [line.event for line in lines])
        case "begin" | "tags":
            tracker.describe(run_id, params=event.get("params", {}), tags=event["tags"])
        case "artifact":
            tracker.keep(run_id, journal / event["file"], event["folder"])
        case "model":
            verdict = tracker.register(run_id, event, journal)
            if output := event["tags"].get(OUTPUT_TAG):
                keep_verdict(journal.parents[2], event["tags"]["stage"], output, verdict)
            leave_told(journal, verdict)


def _keep_samples(journal: Path, sent: Sent, sampler: Sampler) -> Sent:
    """Write to the journal what was sampled while its run went on: it outlives a tracker that is down."""
    first_ms = max(sent.sampled_ms + 1, read_opening(journal)["time_ms"])
    samples = sampler.since(first_ms, _find_end_ms(journal) or _now_ms())
    if not samples:
        return sent
    for count, sample in enumerate(samples, start=sent.sample_count):
        event = {"event": "metrics", "time_ms": sample.time_ms, "step": count, "figures": sample.figures}
        append_event(journal / SYSTEM, event)
    count = sent.sample_count + len(samples)
    return _save(journal, replace(sent, sampled_ms=samples[-1].time_ms, sample_count=count))


def _send_samples(journal: Path, sent: Sent, tracker: Tracker, *, at_least: int) -> None:
    lines = read_lines(journal / SYSTEM, sent.samples)
    if len(lines) >= at_least:
        tracker.measure(sent.run_id, [line.event for line in lines])
        _save(journal, replace(sent, samples=lines[-1].end))


def _find_end_ms(journal: Path) -> int | None:
    """Return when a run ended: as it said itself, or when it was last heard of; None while it goes on."""
    ending = read_ending(journal / EVENTS)
    if ending:
        return int(ending["time_ms"])
    return None if has_writer(journal) else int((journal / EVENTS).stat().st_mtime * 1000)


def _load(journal: Path) -> Sent:
    return Sent(**read_json(journal / SENT))


def _save(journal: Path, sent: Sent) -> Sent:
    write_json(journal / SENT, asdict(sent))
    return sent


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
