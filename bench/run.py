#!/usr/bin/env python3
"""`pie run` beside llama.cpp on the same model file, interleaved in one run.

Prints, with spread (min median max):
  start to first token   of a second start of `pie run` (whole process; the first start prepared weights and code)
  decode                 tokens a second after the first token, ours and llama.cpp's (package llama-cpp-python)
  prefill                tokens a second of a long prompt
  waiting guests         memory of 1,000 guests that wait, over the idle engine
and whether each figure reaches its aim. The machine is described first.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPT = "Write a long story about a lighthouse keeper who finds a message in a bottle."
AIMS = {"first_token_ms": 300, "decode_ratio": 0.8, "guests_mb": 200}


def machine() -> str:
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.*)", text)
    flags = set(re.search(r"flags\s*:\s*(.*)", text).group(1).split())
    isa = "avx512+vnni" if "avx512_vnni" in flags else "avx2" if "avx2" in flags else "portable"
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1)) >> 20
    load = os.getloadavg()[0]
    return f"{model.group(1) if model else '?'}, {len(os.sched_getaffinity(0))} cores, {isa}, {memory} GiB, load {load:.2f}"


def spread(values: list[float]) -> str:
    return f"{min(values):8.1f} {statistics.median(values):8.1f} {max(values):8.1f}"


def pie_run(pie: str, tokens: int, extra: list[str] = []) -> dict:
    """One `pie run` as a whole process: milliseconds to the first byte of text, and what --stats says of the rest."""
    command = [pie, "run", "--stats", "std/text-completion", "--", "--prompt", PROMPT, "--max-tokens", str(tokens), "--temperature", "0", *extra]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    first = None
    while chunk := os.read(process.stdout.fileno(), 65536):
        first = first or time.monotonic() - start
    errors = process.stderr.read().decode()
    if process.wait() != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    rate = re.search(r"([\d.]+) tokens/s after the first output", errors)
    if not rate or first is None:
        sys.exit(f"no decode rate or no text from pie run --stats:\n{errors}")
    return {"first_token_ms": first * 1e3, "decode": float(rate.group(1)), "stats": errors}


class LlamaCpp:
    def __init__(self, path: str, threads: int):
        import llama_cpp

        self.version = llama_cpp.__version__
        self.model = llama_cpp.Llama(path, n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False, no_perf=False)

    def decode_rate(self, prompt: list[int], tokens: int) -> float:
        """Greedy tokens a second by the library's own counters: its evaluation alone, without Python and sampling."""
        import llama_cpp

        context = self.model._ctx.ctx
        self.model.reset()
        self.model.eval(prompt)
        llama_cpp.llama_perf_context_reset(context)
        token = self.model.sample(temp=0.0)
        for _ in range(tokens - 1):
            self.model.eval([token])
            token = self.model.sample(temp=0.0)
        counters = llama_cpp.llama_perf_context(context)
        return counters.n_eval / counters.t_eval_ms * 1e3

    def prefill_rate(self, prompt: list[int]) -> float:
        self.model.reset()
        start = time.monotonic()
        self.model.eval(prompt)
        return len(prompt) / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pie", default=str(ROOT / "build/release/bin/pie"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--json", metavar="FILE", help="also write the figures there")
    options = parser.parse_args()

    print(f"machine: {machine()}")
    info = json.loads(subprocess.run([options.pie, "model", "info", "--json"], capture_output=True, text=True, check=True).stdout)
    print(f"model: {info['path']}")
    peer = LlamaCpp(info["path"], len(os.sched_getaffinity(0)))
    prompt = peer.model.tokenize(f"<|im_start|>user\n{PROMPT}<|im_end|>\n<|im_start|>assistant\n".encode(), special=True)

    pie_run(options.pie, 8)  # prepares weights and code
    ours, theirs, first = [], [], []
    for _ in range(options.rounds):
        run = pie_run(options.pie, options.tokens)
        ours.append(run["decode"])
        first.append(run["first_token_ms"])
        theirs.append(peer.decode_rate(prompt, options.tokens))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))

    print(f"{'':34}{'min':>9}{'median':>9}{'max':>9}")
    print(f"second start to first text, ms    {spread(first)}   aim < {AIMS['first_token_ms']}")
    print(f"decode, pie, tokens/s             {spread(ours)}")
    print(f"decode, llama.cpp {peer.version:<10} t/s  {spread(theirs)}")
    print(f"decode, ratio of each round's pair {ratio:.2f} (median)   aim >= {AIMS['decode_ratio']}")
    reached = {"first_token_ms": statistics.median(first) < AIMS["first_token_ms"], "decode_ratio": ratio >= AIMS["decode_ratio"]}

    guests = subprocess.run([options.pie.replace("/pie", "/guest_bench"), "--guests", "1000", "--json"], capture_output=True, text=True)
    if guests.returncode == 0:
        figures = json.loads(guests.stdout)
        print(f"1,000 waiting guests              {figures['guests_mb']:.1f} MB over the idle engine, {figures['wake_ms']:.1f} ms to wake and finish all   aim < {AIMS['guests_mb']} MB")
        reached["guests_mb"] = figures["guests_mb"] < AIMS["guests_mb"]
    else:
        sys.exit(f"guest_bench failed:\n{guests.stderr}")

    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": machine(), "first_token_ms": first, "decode_pie": ours, "decode_llama_cpp": theirs, "decode_ratio": ratio} | figures))
    for name, ok in reached.items():
        print(f"{'reached' if ok else 'NOT reached'}: {name}")
    sys.exit(not all(reached.values()))


if __name__ == "__main__":
    main()
