"""The report's machine chapter: load during the stages, and the bottleneck of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Any

from flows.engine.drivers.record import FlowRecord, StageRecord
from flows.report.blocks import Block, Chapter, Chart, Note, Table
from flows.report.charts import HEIGHT_PX, add_marks, draw_lines
from flows.report.run import format_duration

CPU, MEMORY = "cpu_utilization_percentage", "system_memory_usage_percentage"
GPU, GPU_MEMORY = "gpu_0_utilization_percentage", "gpu_0_memory_usage_percentage"
LINES = {CPU: "CPU", MEMORY: "memory", GPU: "GPU", GPU_MEMORY: "GPU memory"}
# Above these thresholds a resource is reported as the bottleneck.
FULL_PERCENT, BUSY_PERCENT, SLOW_INPUT = 90.0, 70.0, 0.25
# Shorter stages have at most one sample.
LEAST_S = 2.0
# Stages with a smaller share of the time are named only in the tooltip.
NAMED_SHARE = 0.15


@dataclass(frozen=True)
class Training:
    """Means over one training: examples per second, share of time spent on input, loads in percent."""

    name: str
    seconds: float
    speed: float
    input_share: float
    cpu: float | None
    gpu: float | None
    peak_memory: float | None
    peak_gpu_memory: float | None


def show_load(record: FlowRecord) -> Chapter:
    """Return the machine's load during the stages, and the bottleneck of the trainings."""
    trainings = [found for stage in record.stages if (found := measure_training(stage))]
    return Chapter(
        "Machine",
        tuple(_list_blocks(record, trainings)),
        "The load of the whole machine that computed each stage, sampled each second; for a cached stage, in the run "
        "that computed it. The stages are drawn one after the other, without pauses, even if they ran at once.",
    )


def measure_training(stage: StageRecord) -> Training | None:
    """Return a training's measurements; None for other stages and those computed elsewhere."""
    epochs = [epoch for epoch in stage.cost.epochs if "input_share" in epoch] if stage.cost else []
    if not stage.cost or not epochs:
        return None
    # Epochs are weighted by their time.
    times = [1 / epoch["examples_per_s"] for epoch in epochs]
    share = sum(epoch["input_share"] * time for epoch, time in zip(epochs, times, strict=True)) / sum(times)
    loads = {name: [item[name] for item in stage.cost.samples if name in item] for name in LINES}
    return Training(
        stage.name,
        stage.cost.seconds,
        speed=len(times) / sum(times),
        input_share=share,
        cpu=mean(loads[CPU]) if loads[CPU] else None,
        gpu=mean(loads[GPU]) if loads[GPU] else None,
        peak_memory=max(loads[MEMORY], default=None),
        peak_gpu_memory=max(loads[GPU_MEMORY], default=None),
    )


def name_bottleneck(trainings: list[Training]) -> str:
    """Return the bottleneck of the trainings with its figures, in words; longer trainings count more."""
    share = _weigh(trainings, "input_share")
    cpu, gpu = _weigh(trainings, "cpu"), _weigh(trainings, "gpu")
    memory = max((item.peak_memory for item in trainings if item.peak_memory is not None), default=0.0)
    gpu_memory = max((item.peak_gpu_memory for item in trainings if item.peak_gpu_memory is not None), default=0.0)
    figures = [f"preparing batches took {share:.0%} of the time"]
    figures += [f"the {name} was {load:.0f} % busy" for name, load in (("GPU", gpu), ("CPU", cpu)) if load is not None]
    figures += [f"memory use peaked at {memory:.0f} %"] if memory else []
    figures += [f"GPU memory use peaked at {gpu_memory:.0f} %"] if gpu_memory else []
    return f"{_name_limit(share or 0.0, cpu, gpu, max(memory, gpu_memory))}: {', '.join(figures)}."


def _name_limit(share: float, cpu: float | None, gpu: float | None, memory: float) -> str:
    busiest = cpu if gpu is None else gpu
    if memory >= FULL_PERCENT:
        return "Memory"
    if share >= SLOW_INPUT:
        return "Input"
    if busiest is None:
        return "Probably compute (no load was sampled)"
    if busiest >= BUSY_PERCENT:
        return "Compute"
    return "No single resource (small steps, or waiting)"


def _weigh(trainings: list[Training], name: str) -> float | None:
    pairs = [(getattr(item, name), item.seconds) for item in trainings if getattr(item, name) is not None]
    return sum(value * seconds for value, seconds in pairs) / sum(seconds for _, seconds in pairs) if pairs else None


def _list_blocks(record: FlowRecord, trainings: list[Training]) -> Iterator[Block]:
    if trainings:
        yield Note(name_bottleneck(trainings), title="Bottleneck of training:")
    if rows := list(_lay_end_to_end(record)):
        percent = {"field": "percent", "title": "% in use", "scale": {"domain": [0, 100]}}
        second = {"field": "second", "title": "seconds of computation"}
        chart = draw_lines(rows, x=second, y=percent, series="of")
        chart["layer"][1]["encoding"]["tooltip"].append({"field": "stage"})
        title = ", ".join(dict.fromkeys(row["of"] for row in rows))
        marks = list(_mark_stages(rows))
        chart = add_marks(chart, marks, x=second["title"], y_px=HEIGHT_PX - 8)
        yield Chart(f"{title[0].upper()}{title[1:]} over time", chart, wide=True)
    if trainings:
        columns = ("training", "time", "examples/s", "input", "CPU", "GPU", "peak memory", "peak GPU memory")
        cells = [_list_cells(item) for item in trainings]
        shown = [n for n in range(len(columns)) if any(row[n] for row in cells)]
        rows_shown = [[row[n] for n in shown] for row in cells]
        yield Table([columns[n] for n in shown], rows_shown, figures=range(1, len(shown)), title="Trainings")


def _list_cells(item: Training) -> list[str]:
    loads = (item.cpu, item.gpu, item.peak_memory, item.peak_gpu_memory)
    percents = ["" if load is None else f"{load:.0f} %" for load in loads]
    return [item.name, format_duration(item.seconds), f"{item.speed:.0f}", f"{item.input_share:.1%}", *percents]


def _mark_stages(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Mark the beginning of each stage, with its name if there is room."""
    began = {row["began"]: row["stage"] for row in rows}
    ends = [*list(began)[1:], rows[-1]["second"]]
    for (at, name), end in zip(began.items(), ends, strict=True):
        yield {"at": at, "label": name if end - at > NAMED_SHARE * rows[-1]["second"] else ""}


def _lay_end_to_end(record: FlowRecord) -> Iterator[dict[str, Any]]:
    began = 0.0
    costs = [(stage.name, stage.cost) for stage in record.stages if stage.cost and stage.cost.seconds >= LEAST_S]
    for name, cost in sorted(costs, key=lambda pair: pair[1].began_ms):
        for sample in cost.samples:
            for key, label in LINES.items():
                if key in sample:
                    second = round(began + sample["second"], 1)
                    yield {
                        "second": second,
                        "percent": sample[key],
                        "of": label,
                        "stage": name,
                        "began": round(began, 1),
                    }
        began += cost.seconds
