#!/usr/bin/env python3
"""`./dev bench graph`: pyflame_rt beside ONNX Runtime and OpenVINO on the same models, interleaved in one run.

Every engine lives in a process of its own, so that none's waiting threads take another's cores. Every round times each engine
once on each model, in a changing order; printed are medians with spread, session creation and peak memory (in further processes),
and at the end the ratios of medians by peer. Rows called "lengths" give each round another length out of one list, the same for
all engines, and compare means. Outputs are compared with ONNX Runtime's before anything is timed; --check does only that, for every level of ours.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import models  # noqa: E402
from engines import ENGINES, SERVES, Ours  # noqa: E402

OURS = Ours.name
# Of the largest output: rounding of other orders of summation, of BF16's 8 bits through a deep model, and of numbers next to a half
# between two bytes in each layer.
TOLERANCE = {"f32": 1e-4, "bf16": 0.05, "int8": 0.03}
TAIL_RUNS = 500
# Sessions made of each model by each engine, one after another: a system gives a process its memory at very different speeds.
CREATIONS = 3
# Longer than any engine's threads spin for more work.
PAUSE_S = 0.02


def machine() -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    return f"{name.group(1) if name else '?'}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.2f}"


def serve(pipe, engine: str, path: str, threads: int, precision: str, options: dict) -> None:
    """The other end of a Worker."""
    instance = ENGINES[engine](path, threads, precision, **options)
    feeds_list: list[dict] = []
    while (request := pipe.recv()) is not None:
        what, argument = request
        if what == "feeds":
            feeds_list = argument
            pipe.send(None)
        elif what == "outputs":
            pipe.send(instance.run(feeds_list[argument]))
        else:  # "times": runs of the feeds of these indices, one right after another
            times = []
            for index in argument:
                begin = time.perf_counter()
                instance.run(feeds_list[index])
                times.append((time.perf_counter() - begin) * 1e3)
            pipe.send(times)


class Worker:
    """An engine with one model in a process of its own, which measures its own times."""

    def __init__(self, engine: str, path: str, threads: int, precision: str = "f32", **options):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, engine, path, threads, precision, options), daemon=True)
        self.process.start()
        other.close()
        self.what = f"{engine} with {os.path.basename(path)}, {precision}, {threads} threads"

    def ask(self, what: str, argument: object):
        try:
            self.pipe.send((what, argument))
            return self.pipe.recv()
        except (EOFError, BrokenPipeError):
            sys.exit(f"{self.what}: its process ended, see above")

    def give(self, feeds_list: list[dict]) -> None:
        self.ask("feeds", feeds_list)

    def outputs(self, index: int) -> list:
        return self.ask("outputs", index)

    def times(self, indices: list[int]) -> list[float]:
        return self.ask("times", indices)

    def close(self) -> None:
        self.pipe.send(None)
        self.process.join()


def difference(want: list, got: list) -> float:
    """The largest difference of any output, as a share of that output's largest number."""
    worst = 0.0
    for a, b in zip(want, got, strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        if a.shape != b.shape:
            return float("inf")
        share = float(np.max(np.abs(a - b)) / (np.max(np.abs(a)) + 1e-30)) if a.size else 0.0
        worst = share if not share <= worst else worst  # NaN is worst
    return worst


def compare(name: str, workers: dict[str, Worker], reference: Worker, count: int, precision: str) -> dict[str, float]:
    """Every engine's difference from the reference over the `count` feeds given. Ends the program when one of ours is too far off."""
    found: dict[str, float] = {}
    for index in range(count):
        want = reference.outputs(index)
        for engine, worker in workers.items():
            found[engine] = max(found.get(engine, 0.0), difference(want, worker.outputs(index)))
    for engine, share in found.items():
        if engine.startswith(OURS) and not share <= TOLERANCE[precision]:
            sys.exit(f"{name} {precision}: {engine}'s outputs differ from ONNX Runtime's by {share:.2e} of the largest, at most {TOLERANCE[precision]:.0e} is allowed")
    return found


def time_rounds(workers: dict[str, Worker], count: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by engine and round. One feed: a burst of two runs, of which the first warms the caches up again. Several: one after
    another, so that each timed run has another shape than the run before it."""
    times: dict[str, list[float]] = {name: [] for name in workers}
    for worker in workers.values():
        worker.times(list(range(count)) * (3 if count == 1 else 1))
    for turn in range(max(rounds, count)):
        names = list(workers)
        names = names[turn % len(names) :] + names[: turn % len(names)]
        for name in names:
            time.sleep(PAUSE_S)
            times[name].append(workers[name].times([(turn - 1) % count, turn % count])[-1])
    return times


def tail(worker: Worker) -> dict[str, float]:
    """Percentiles over single runs, one right after another."""
    time.sleep(PAUSE_S)
    times = worker.times([0] * TAIL_RUNS)
    return {"p50_ms": float(np.percentile(times, 50)), "p99_ms": float(np.percentile(times, 99))}


def apart(path: str, engine: str, threads: int, feeds_path: str, cache: str = "") -> dict:
    """Creation time and peak memory, in a process of its own."""
    output = subprocess.run([sys.executable, __file__, "--apart", engine, path, str(threads), feeds_path, cache], check=True, capture_output=True, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def peak_mb() -> float:
    """The most that this process ever had resident. Not getrusage's: that one starts with what the parent had."""
    found = re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else float("nan")


def measure_apart(engine: str, path: str, threads: int, feeds_path: str, cache: str) -> None:
    feeds = dict(np.load(feeds_path))
    __import__(engine)
    before = peak_mb()
    begin = time.perf_counter()
    session = ENGINES[engine](path, threads, **({"cache": cache} if cache else {}))
    created = (time.perf_counter() - begin) * 1e3
    session.run(feeds)
    print(json.dumps({"create_ms": created, "peak_mb": peak_mb() - before}))


def creation(engines: list[str], path: str, threads: int, feeds: dict, folder: str) -> dict[str, dict]:
    feeds_path = os.path.join(folder, "feeds.npz")
    np.savez(feeds_path, **feeds)
    cache = os.path.join(folder, "cache")
    if OURS in engines:
        apart(path, OURS, threads, feeds_path, cache)  # fills it
    found: dict[str, dict[str, list[float]]] = {engine: {} for engine in engines}
    for _ in range(CREATIONS):
        for engine in engines:
            values = apart(path, engine, threads, feeds_path)
            if engine == OURS:
                values["cached_create_ms"] = apart(path, OURS, threads, feeds_path, cache)["create_ms"]
            for key, value in values.items():
                found[engine].setdefault(key, []).append(value)
    return {engine: {key: statistics.median(values) for key, values in all_values.items()} for engine, all_values in found.items()}


def figures(values: list[float], by_length: bool) -> dict:
    return {"ms": statistics.fmean(values) if by_length else statistics.median(values), "min_ms": min(values), "max_ms": max(values)}


def measure(arguments: argparse.Namespace, name: str, path: str, folder: str) -> list[dict]:
    model, rows = models.MODELS[name], []
    for precision in (each for each in arguments.precision if each in model.precisions):
        for threads in arguments.threads:
            names = [engine for engine in arguments.engines if engine in SERVES[precision]]
            workers = {engine: Worker(engine, path, threads, precision) for engine in names}
            if arguments.check and precision != "bf16":
                workers |= {f"{OURS} {level}": Worker(OURS, path, threads, level=level) for level in ("NONE", "BASIC", "EXTENDED")}
            reference = workers.get("onnxruntime") or Worker("onnxruntime", path, threads)
            cases = [("", batch, [model.feed(batch, np.random.default_rng(1))]) for batch in arguments.batch]
            if model.lengths:
                random = np.random.default_rng(2)
                cases.append(("lengths", 1, [model.lengths(1, random, int(n)) for n in random.integers(8, 257, 16)]))
            for kind, batch, feeds_list in cases:
                row: dict = {"model": name, "precision": precision, "threads": threads, "batch": batch, "kind": kind}
                for worker in {*workers.values(), reference}:
                    worker.give(feeds_list)
                row["difference"] = compare(name, workers, reference, len(feeds_list), precision)
                if not arguments.check:
                    for engine, values in time_rounds(workers, len(feeds_list), arguments.rounds).items():
                        row[engine] = figures(values, kind == "lengths")
                    first = precision == "f32" and threads == arguments.threads[-1] and batch == arguments.batch[0] and not kind
                    if first:
                        for engine, found in creation(names, path, threads, feeds_list[0], folder).items():
                            row[engine] |= found
                    if batch == 1 and model.tail and not kind:
                        for engine, worker in workers.items():
                            row[engine] |= tail(worker)
                rows.append(row)
                if not arguments.json:
                    print_row(row)
            for worker in {*workers.values(), reference}:
                worker.close()
    return rows


def print_row(row: dict) -> None:
    parts = [f"{row['model']:14} {row['precision']:4} {row['threads']} thr {row['kind'] or 'batch ' + str(row['batch'])}"]
    for engine in ENGINES:
        if engine in row:
            e = row[engine]
            text = f"{engine} {e['ms']:8.2f} ms ({e['min_ms']:.2f}..{e['max_ms']:.2f})"
            if "p99_ms" in e:
                text += f" p99 {e['p99_ms']:.2f}"
            if "create_ms" in e:
                cached = f" (cached {e['cached_create_ms']:.0f})" if "cached_create_ms" in e else ""
                text += f" create {e['create_ms']:.0f}{cached} ms peak {e['peak_mb']:.0f} MB"
            parts.append(text)
    parts.append("differs " + " ".join(f"{engine} {share:.1e}" for engine, share in row["difference"].items() if engine != "onnxruntime"))
    print(" | ".join(parts), flush=True)


def print_means(rows: list[dict]) -> None:
    for precision in SERVES:
        for kind in ("", "lengths"):
            chosen = [row for row in rows if row["precision"] == precision and row["kind"] == kind and OURS in row]
            what = f"{precision}{' lengths' if kind else ''}"
            ratios = {}
            for peer in ENGINES:
                if peer != OURS:
                    ratios[peer] = [row[peer]["ms"] / row[OURS]["ms"] for row in chosen if peer in row]
            ratios["the better of them"] = [min(row[p]["ms"] for p in ENGINES if p != OURS and p in row) / row[OURS]["ms"] for row in chosen if any(p in row for p in ENGINES if p != OURS)]
            for peer, values in ratios.items():
                if values:
                    print(f"{what} against {peer}: geometric mean {statistics.geometric_mean(values):.2f}, least {min(values):.2f}, most {max(values):.2f}, {len(values)} rows (above 1: pyflame_rt is faster)")


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--apart":
        measure_apart(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5], sys.argv[6])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(models.MODELS), choices=list(models.MODELS))
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--precision", nargs="*", choices=list(SERVES), default=list(SERVES))
    parser.add_argument("--check", action="store_true", help="compare the outputs, ours at every level, and time nothing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print(f"machine: {machine()}", file=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models:
            path = os.path.join(folder, f"{name}.onnx")
            models.onnx.save(models.MODELS[name].make(), path)
            os.sync()  # or the disk is still busy with it while sessions are made
            rows += measure(arguments, name, path, folder)
            os.remove(path)
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=1))
    elif arguments.check:
        print(f"{len(rows)} rows agree")
    else:
        print_means(rows)


if __name__ == "__main__":
    main()
