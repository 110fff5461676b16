"""Latency, throughput, memory and per-operation time of a session."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any, Mapping

import numpy as np

from .errors import InvalidArgument
from .reports import Profile
from .session import InferenceSession
from .values import plain


@dataclasses.dataclass
class Latency:
    """Milliseconds over ``runs`` single runs; percentiles linearly interpolated."""

    mean_ms: float
    min_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    stddev_ms: float
    runs: int


@dataclasses.dataclass
class Throughput:
    """Over ``seconds`` of wall time."""

    samples_per_second: float
    batches_per_second: float
    seconds: float
    samples: int


@dataclasses.dataclass
class Memory:
    """Megabytes (2^20): the most the session's tensors and free blocks ever took, what they hold now, the whole process."""

    peak_mb: float
    in_use_mb: float
    process_mb: float


class Benchmark:
    """Measures a session as a caller sees it: through ``run``, conversions to and from NumPy included."""

    def __init__(self, session: InferenceSession):
        self._session = session

    def measure_latency(self, input_feed: Mapping[str, Any], warmup_runs: int = 10, benchmark_runs: int = 100) -> Latency:
        """Times single runs, one after another, after ``warmup_runs`` that are not timed. Raises as ``run`` does."""
        if benchmark_runs < 1:
            raise InvalidArgument(f"[Benchmark] benchmark_runs; got {benchmark_runs}, need at least 1")
        for _ in range(warmup_runs):
            self._session.run(None, input_feed)
        times = []
        for _ in range(benchmark_runs):
            begin = time.perf_counter_ns()
            self._session.run(None, input_feed)
            times.append((time.perf_counter_ns() - begin) / 1e6)
        p50, p90, p95, p99 = (float(np.percentile(times, share)) for share in (50, 90, 95, 99))
        spread = float(np.std(times, ddof=1)) if len(times) > 1 else 0.0
        return Latency(float(np.mean(times)), min(times), p50, p90, p95, p99, max(times), spread, len(times))

    def measure_throughput(self, input_feed: Mapping[str, Any], duration_seconds: float = 10, batch_size: int = 1) -> Throughput:
        """Runs for at least ``duration_seconds``; with a batch_size, copies of the feed are stacked along the first dimension.

        A sample is one feed. Raises as ``run`` does: the model must take that batch.
        """
        if batch_size < 1 or not duration_seconds > 0:
            raise InvalidArgument(f"[Benchmark] got duration_seconds {duration_seconds!r} and batch_size {batch_size!r}, need more than 0 and at least 1")
        feed = {name: np.concatenate([np.asarray(plain(value))] * batch_size) if batch_size > 1 else value for name, value in input_feed.items()}
        self._session.run(None, feed)
        batches, begin = 0, time.perf_counter()
        while True:
            self._session.run(None, feed)
            batches += 1
            seconds = time.perf_counter() - begin
            if seconds >= duration_seconds:
                return Throughput(batches * batch_size / seconds, batches / seconds, seconds, batches * batch_size)

    def profile_memory(self) -> Memory:
        """What the session's tensors take, and the process as a whole."""
        memory = self._session.memory()
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        mb = 1 << 20
        return Memory(memory["peak"] / mb, memory["in_use"] / mb, resident / mb)

    def profile_operations(self, input_feed: Mapping[str, Any]) -> Profile:
        """``session.run_with_profiling``."""
        return self._session.run_with_profiling(input_feed)
