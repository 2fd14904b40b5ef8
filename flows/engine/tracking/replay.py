"""Replays one journal into MLflow, as far as it has been written."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

from mlflow.exceptions import MlflowException

from flows.engine import tags
from flows.engine.tracking.ledger import keep_decision
from flows.engine.tracking.outbox import Line, OutgoingJournal, Sent
from flows.engine.tracking.sampler import Sampler
from flows.engine.tracking.tracker import Tracker, is_refusal

SAMPLES_A_CALL = 5
# A model that fails, deleted code, an event written by an older version of the project.
UNSENDABLE = (RuntimeError, ValueError, LookupError, AttributeError, ImportError, FileNotFoundError)
log = logging.getLogger(__name__)


def send_journal(journal: OutgoingJournal, tracker: Tracker, sampler: Sampler) -> None:
    """Send the new events of a journal, and the samples of the machine's load.

    Raises MlflowException or OSError when the tracker does not answer; events that were not sent stay in the journal.
    """
    ended = not journal.has_writer()
    sent = _keep_samples(journal, journal.read_sent(), sampler)
    if not sent.run_id:
        sent = journal.note_sent(replace(sent, run_id=tracker.begin(journal.name, journal.opening)))
    sent = _send_events(journal, sent, tracker)
    _send_samples(journal, sent, tracker, at_least=1 if ended else SAMPLES_A_CALL)


def close_journal(journal: OutgoingJournal, tracker: Tracker, sampler: Sampler) -> None:
    """Send the rest of a finished journal, end its run, and delete the journal.

    Links are sent last, when the linked runs have been sent. Raises as `send_journal` does.
    """
    send_journal(journal, tracker, sampler)
    run_id = journal.read_sent().run_id
    events = [line.event for line in journal.read_events()]
    if cached := {event["stage"]: event["tags"] for event in events if event["event"] == "link"}:
        tracker.link(run_id, cached)
    status = journal.read_ending().get("status", "KILLED")
    try:
        tracker.end(run_id, status, journal.find_end_ms() or _now_ms())
    except MlflowException as error:
        if not is_refusal(error):
            raise
        log.exception("%s: MLflow refused the end of the run", journal.name)
    journal.drop()


def _send_events(journal: OutgoingJournal, sent: Sent, tracker: Tracker) -> Sent:
    for lines in _batch(journal.read_events(sent.events)):
        kind = lines[0].event["event"]
        try:
            _send(lines, journal, sent.run_id, tracker)
        except (MlflowException, *UNSENDABLE) as error:
            if isinstance(error, MlflowException) and not is_refusal(error):
                raise
            log.exception("%s: MLflow refused the event %s", journal.name, kind)
        sent = journal.note_sent(replace(sent, events=lines[-1].end))
    return sent


def _batch(lines: list[Line]) -> Iterator[list[Line]]:
    """Group consecutive metrics events; every other event is a group of its own."""
    batch: list[Line] = []
    for line in lines:
        if batch and not line.event["event"] == batch[-1].event["event"] == "metrics":
            yield batch
            batch = []
        batch.append(line)
    if batch:
        yield batch


def _send(lines: list[Line], journal: OutgoingJournal, run_id: str, tracker: Tracker) -> None:
    event = lines[0].event
    match event["event"]:
        case "metrics":
            tracker.measure(run_id, [line.event for line in lines])
        case "begin" | "tags":
            tracker.describe(run_id, params=event.get("params", {}), tags=event["tags"])
        case "artifact":
            tracker.keep(run_id, journal.folder / event["file"], event["folder"])
        case "model":
            decision = tracker.register(run_id, event, journal.folder)
            # The message comes first: a run that waits for the decision reads the messages next.
            journal.leave_message(decision)
            if output := event["tags"].get(tags.OUTPUT_MD5):
                keep_decision(journal.folder.parents[2], event["tags"][tags.STAGE], output, decision)


def _keep_samples(journal: OutgoingJournal, sent: Sent, sampler: Sampler) -> Sent:
    """Write the samples taken during the run to the journal, where they wait for the tracker.

    A stage that a node computes has samples of that node among its events.
    """
    if tags.NODE in journal.opening["tags"]:
        return sent
    first_ms = max(sent.sampled_ms + 1, journal.opening["time_ms"])
    samples = sampler.since(first_ms, journal.find_end_ms() or _now_ms())
    if not samples:
        return sent
    for count, sample in enumerate(samples, start=sent.sample_count):
        event = {"event": "metrics", "time_ms": sample.time_ms, "step": count, "figures": sample.figures}
        journal.add_sample(event)
    count = sent.sample_count + len(samples)
    return journal.note_sent(replace(sent, sampled_ms=samples[-1].time_ms, sample_count=count))


def _send_samples(journal: OutgoingJournal, sent: Sent, tracker: Tracker, *, at_least: int) -> None:
    lines = journal.read_samples(sent.samples)
    if len(lines) >= at_least:
        tracker.measure(sent.run_id, [line.event for line in lines])
        journal.note_sent(replace(sent, samples=lines[-1].end))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
