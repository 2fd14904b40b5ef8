"""Samples the machine's load each second, under the names of MLflow's system metrics.

It uses the same libraries as MLflow, because MLflow takes 5 to 20 s to import, longest on a machine
that trains: MLflow's own monitors would miss short stages, and each one sends a request to the tracker every second.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pynvml

INTERVAL_S = 1.0
FIRST_S = 0.1
KEPT_SAMPLES = 3600
MEGABYTE = 1e6


@dataclass(frozen=True)
class Sample:
    """The measurements of one moment."""

    time_ms: int
    figures: dict[str, float]


@dataclass
class Sampler:
    """One sampler for all runs on the machine; it continues while the tracker does not answer."""

    kept: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT_SAMPLES))

    def start(self) -> "Sampler":
        """Start sampling in a thread."""
        threading.Thread(target=self._run, name="sampler", daemon=True).start()
        return self

    def since(self, first_ms: int, last_ms: int) -> list[Sample]:
        """Return the samples taken from `first_ms` to `last_ms`, both inclusive."""
        return [sample for sample in tuple(self.kept) if first_ms <= sample.time_ms <= last_ms]

    def _run(self) -> None:
        meters = Meters.open()
        # psutil measures processor use since its previous call.
        time.sleep(FIRST_S)
        due = time.monotonic()
        while True:
            self.kept.append(meters.read())
            due += INTERVAL_S
            time.sleep(max(0.0, due - time.monotonic()))


@dataclass(frozen=True)
class Meters:
    """The sources of the machine's load: the GPUs' driver handles, and the network traffic at the start."""

    cards: list[Any]
    received_bytes: int
    sent_bytes: int

    @classmethod
    def open(cls) -> "Meters":
        """Find the GPUs, and begin to count processor time and traffic."""
        network = psutil.net_io_counters()
        psutil.cpu_percent()
        return cls(list_cards(), network.bytes_recv, network.bytes_sent)

    def read(self) -> Sample:
        """Measure processor, memory, disk, network and GPUs, once."""
        figures = {f"system/{name}": round(float(value), 1) for name, value in self._measure()}
        return Sample(time.time_ns() // 1_000_000, figures)

    def _measure(self) -> Iterator[tuple[str, float]]:
        memory, disk, network = psutil.virtual_memory(), psutil.disk_usage("."), psutil.net_io_counters()
        yield "cpu_utilization_percentage", psutil.cpu_percent()
        yield "system_memory_usage_megabytes", memory.used / MEGABYTE
        yield "system_memory_usage_percentage", memory.used / memory.total * 100
        yield "disk_usage_percentage", disk.percent
        yield "disk_usage_megabytes", disk.used / MEGABYTE
        yield "disk_available_megabytes", disk.free / MEGABYTE
        yield "network_receive_megabytes", (network.bytes_recv - self.received_bytes) / MEGABYTE
        yield "network_transmit_megabytes", (network.bytes_sent - self.sent_bytes) / MEGABYTE
        for number, card in enumerate(self.cards):
            for measure in (_measure_memory, _measure_use, _measure_power):
                for name, value in _ask(measure, card).items():
                    yield f"gpu_{number}_{name}", value


def list_cards() -> list[Any]:
    """Return the driver's handles of the machine's NVIDIA GPUs; none without a driver."""
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        # The run has the tag `gpu: none`.
        return []


def _ask(measure: Callable[[Any], dict[str, float]], card: Any) -> dict[str, float]:
    """Return a GPU's measurements; a counter that it does not support is left out."""
    try:
        return measure(card)
    except pynvml.NVMLError:
        return {}


def _measure_memory(card: Any) -> dict[str, float]:
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    used = memory.used / memory.total * 100
    return {"memory_usage_percentage": used, "memory_usage_megabytes": memory.used / MEGABYTE}


def _measure_use(card: Any) -> dict[str, float]:
    return {"utilization_percentage": pynvml.nvmlDeviceGetUtilizationRates(card).gpu}


def _measure_power(card: Any) -> dict[str, float]:
    watts = pynvml.nvmlDeviceGetPowerUsage(card) / 1000
    limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1000
    return {"power_usage_watts": watts, "power_usage_percentage": watts / limit * 100}
