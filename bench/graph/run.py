#!/usr/bin/env python3
"""`./dev bench graph`: pyflame_rt beside ONNX Runtime and OpenVINO on the same models, interleaved in one run.

Every round times each engine once on each model, in a changing order; printed are medians with spread, the ratio of
medians against the better peer, session creation and peak memory. Outputs are compared with ONNX Runtime's first.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import models  # noqa: E402


def machine() -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.*)", text)
    return f"{name.group(1) if name else '?'}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.2f}"


class Ours:
    name = "pyflame_rt"

    def __init__(self, path: str, threads: int):
        import pyflame_rt as rt

        self.session = rt.InferenceSession(path, rt.SessionOptions(num_threads=threads))

    def run(self, feeds: dict) -> list:
        return self.session.run(None, feeds)


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: str, threads: int):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, feeds: dict) -> list:
        return self.session.run(None, feeds)


class OpenVino:
    name = "openvino"

    def __init__(self, path: str, threads: int):
        import openvino as ov

        core = ov.Core()
        config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(path, "CPU", config).create_infer_request()
        self.outputs = [output for output in self.request.model_outputs]

    def run(self, feeds: dict) -> list:
        results = self.request.infer(feeds)
        return [results[output] for output in self.outputs]


ENGINES = {engine.name: engine for engine in (Ours, OnnxRuntime, OpenVino)}


def time_rounds(engines: dict, feeds: dict, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        for _ in range(3):
            engine.run(feeds)
    for round_number in range(rounds):
        names = list(engines)
        names = names[round_number % len(names) :] + names[: round_number % len(names)]
        for name in names:
            # A burst of a few runs, of which the first warms the caches up again.
            engines[name].run(feeds)
            begin = time.perf_counter()
            engines[name].run(feeds)
            times[name].append((time.perf_counter() - begin) * 1e3)
    return times


def apart(path: str, engine: str, threads: int, feeds_path: str) -> dict:
    """Creation time and peak memory, in a process of its own."""
    output = subprocess.run([sys.executable, __file__, "--apart", engine, path, str(threads), feeds_path], check=True, capture_output=True, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def measure_apart(engine: str, path: str, threads: int, feeds_path: str) -> None:
    feeds = dict(np.load(feeds_path))
    if engine == "pyflame_rt":
        import pyflame_rt  # noqa: F401
    else:
        __import__(engine)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    session = ENGINES[engine](path, threads)
    created = (time.perf_counter() - begin) * 1e3
    session.run(feeds)
    print(json.dumps({"create_ms": created, "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--apart":
        measure_apart(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(models.MODELS), choices=list(models.MODELS))
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--batch", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    print(f"machine: {machine()}", file=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.models:
            make, feed = models.MODELS[name]
            path = os.path.join(folder, f"{name}.onnx")
            models.onnx.save(make(), path)
            for threads in arguments.threads:
                for batch in arguments.batch:
                    feeds = feed(batch, np.random.default_rng(1))
                    engines = {engine: ENGINES[engine](path, threads) for engine in arguments.engines}
                    results = {engine: instance.run(feeds) for engine, instance in engines.items()}
                    row: dict = {"model": name, "threads": threads, "batch": batch}
                    if "onnxruntime" in results and "pyflame_rt" in results:
                        want, got = results["onnxruntime"][0], results["pyflame_rt"][0]
                        row["difference"] = float(np.max(np.abs(want - got)) / (np.max(np.abs(want)) + 1e-30))
                        if not row["difference"] < 1e-3:
                            sys.exit(f"{name}: outputs differ from ONNX Runtime's by {row['difference']:.2e} of the largest")
                    times = time_rounds(engines, feeds, arguments.rounds)
                    for engine, values in times.items():
                        row[engine] = {"median_ms": statistics.median(values), "min_ms": min(values), "max_ms": max(values)}
                    if threads == arguments.threads[-1] and batch == arguments.batch[0]:
                        feeds_path = os.path.join(folder, "feeds.npz")
                        np.savez(feeds_path, **feeds)
                        for engine in engines:
                            row[engine] |= apart(path, engine, threads, feeds_path)
                    rows.append(row)
                    del engines
                    if not arguments.json:
                        print_row(row)
            os.remove(path)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for peer in arguments.engines:
        if peer == "pyflame_rt" or "pyflame_rt" not in arguments.engines:
            continue
        ratios = [row[peer]["median_ms"] / row["pyflame_rt"]["median_ms"] for row in rows]
        mean = float(np.exp(np.mean(np.log(ratios))))
        print(f"against {peer}: geometric mean {mean:.2f}, least {min(ratios):.2f}, most {max(ratios):.2f} (above 1: pyflame_rt is faster)")


def print_row(row: dict) -> None:
    parts = [f"{row['model']:14} {row['threads']} thr batch {row['batch']}"]
    for engine in ENGINES:
        if engine in row:
            e = row[engine]
            text = f"{engine} {e['median_ms']:8.2f} ms ({e['min_ms']:.2f}..{e['max_ms']:.2f})"
            if "create_ms" in e:
                text += f" create {e['create_ms']:.0f} ms peak {e['peak_mb']:.0f} MB"
            parts.append(text)
    if "difference" in row:
        parts.append(f"differs {row['difference']:.1e}")
    print(" | ".join(parts), flush=True)


if __name__ == "__main__":
    main()
