"""An epoch's pace tells slow input from slow computing."""

import time
from collections.abc import Iterator

import pytest

from tasks.learning.throughput import Throughput

BATCHES = 5


def draw(delay_s: float) -> Iterator[int]:
    for number in range(BATCHES):
        time.sleep(delay_s)
        yield number


@pytest.mark.parametrize(("input_s", "step_s", "low", "high"), [(0.04, 0.0, 0.5, 1.0), (0.0, 0.04, 0.0, 0.5)])
def test_the_share_of_the_input_is_that_of_the_time_spent_on_it(
    input_s: float, step_s: float, low: float, high: float
) -> None:
    pace = Throughput(examples=10)
    seen = []
    for batch in pace.time_input(draw(input_s)):
        seen.append(batch)
        time.sleep(step_s)
    pace.end()
    assert seen == list(range(BATCHES))
    figures = pace.measure()
    assert low <= figures["input_share"] <= high
    assert 0 < figures["examples_per_s"] <= 10 / (BATCHES * 0.04)
