"""The examples that the interface was specified by, word for word. Where an example names what is not there (a Cerebras machine,
PyTorch files, 30 seconds of benchmark), the test says what happens instead, and runs the rest."""

import contextlib
import io
import os
import subprocess
import tempfile
import textwrap
import unittest

import numpy as np
import onnxruntime
import pyflame_rt as rt

import models

LOAD = """
import pyflame_rt as rt

# Load native PyFlame model
session = rt.InferenceSession("model.pfm")

# Import from ONNX
session = rt.InferenceSession.from_onnx("model.onnx")
"""

PYTORCH = """
session = rt.InferenceSession.from_pytorch(
    "model.pt",
    input_shapes={"input": [1, 3, 224, 224]}
)
"""

TORCHSCRIPT = """
session = rt.InferenceSession.from_torchscript("model.pts")
"""

SESSION = """
import pyflame_rt as rt
import numpy as np

# Create session with options
options = rt.SessionOptions(
    device="wse",                    # wse, wse2, wse3, or cpu
    num_threads=4,                   # For CPU fallback
    enable_profiling=False,
    memory_limit_mb=4096,
    execution_mode="sequential",     # sequential or parallel
)

session = rt.InferenceSession("model.pfm", options)

# Get input/output metadata
inputs = session.get_inputs()
outputs = session.get_outputs()

for inp in inputs:
    print(f"Input: {inp.name}, shape: {inp.shape}, dtype: {inp.dtype}")

# Run inference
input_data = {"input": np.random.randn(1, 3, 224, 224).astype(np.float32)}
results = session.run(output_names=["output"], input_feed=input_data)

# Batch inference
batch_results = session.run_batch(
    output_names=["output"],
    input_feeds=[input_data] * 32,
    max_batch_size=8
)
"""

STREAM = """
# Create streaming session
stream = session.create_stream(
    chunk_size=16000,        # Audio samples per chunk
    overlap=1600,            # Overlap between chunks
    stateful=True            # Maintain hidden states
)

# Process audio stream
for chunk in audio_chunks:
    result = stream.process(chunk)
    yield result

# Reset state for new input
stream.reset()
"""

BENCHMARK = """
from pyflame_rt.benchmark import Benchmark

bench = Benchmark(session)

# Latency benchmark
latency = bench.measure_latency(
    input_feed=sample_input,
    warmup_runs=10,
    benchmark_runs=100
)
print(f"P50: {latency.p50_ms:.2f}ms, P99: {latency.p99_ms:.2f}ms")

# Throughput benchmark
throughput = bench.measure_throughput(
    input_feed=sample_input,
    duration_seconds=30,
    batch_size=32
)
print(f"Throughput: {throughput.samples_per_second:.0f} samples/sec")

# Memory profiling
memory = bench.profile_memory()
print(f"Peak memory: {memory.peak_mb:.0f} MB")

# Operation-level profiling
profile = session.run_with_profiling(input_feed)
for op in profile.operations:
    print(f"{op.name}: {op.duration_us:.0f}μs ({op.percentage:.1f}%)")
"""

COMPILE = """
# Explicit compilation with caching
session = rt.InferenceSession.from_onnx(
    "model.onnx",
    compile_options=rt.CompileOptions(
        cache_dir="./model_cache",
        input_shapes={"input": [1, 3, 224, 224]},
        dynamic_batch=True,  # Support variable batch sizes
    )
)
"""

MEMORY = """
options = rt.SessionOptions(
    memory_limit_mb=4096,
    memory_pool="default",      # default, arena, or custom
    enable_memory_reuse=True,   # Reuse buffers between ops
)
"""

ONNX_RUNTIME = """
import onnxruntime as ort

session = ort.InferenceSession(
    "model.onnx",
    providers=['CUDAExecutionProvider']
)
outputs = session.run(None, {"input": input_array})
"""

OURS = """
import pyflame_rt as rt

session = rt.InferenceSession(
    "model.onnx",
    providers=['CerebrasExecutionProvider']
)
outputs = session.run(None, {"input": input_array})
"""


class Examples(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)
        with open("model.onnx", "wb") as file:
            file.write(models.picture())
        subprocess.run([os.environ.get("FLAME_BINARY", "flame"), "convert", "model.onnx", "model.pfm"], check=True, capture_output=True)
        self.image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)

    def execute(self, code, **names):
        printed = io.StringIO()
        names.setdefault("rt", rt)
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "<specification>", "exec"), names)  # noqa: S102: the examples above
        return names, printed.getvalue()

    def test_import(self):
        names, _ = self.execute(LOAD)
        self.assertEqual(names["session"].run(None, {"input": self.image})[0].shape, (1, 4))

    def test_formats_that_are_not_read_yet(self):
        for code in (PYTORCH, TORCHSCRIPT):
            with self.assertRaisesRegex(rt.Unsupported, "need ONNX"):
                self.execute(code)

    def test_session(self):
        with self.assertRaisesRegex(rt.Unsupported, "'wse' needs the Cerebras target"):
            self.execute(SESSION)
        names, printed = self.execute(SESSION.replace('device="wse"', 'device="cpu"'))
        self.assertEqual(printed, "Input: input, shape: ['batch', 3, 224, 224], dtype: float32\n")
        (first,) = names["results"]
        self.assertEqual(len(names["batch_results"]), 32)
        for (result,) in names["batch_results"]:
            np.testing.assert_allclose(result, first, rtol=1e-5, atol=1e-6)

    def test_streaming(self):
        session = rt.InferenceSession(models.recurrent())
        signal = np.random.default_rng(1).standard_normal(5 * 16000).astype(np.float32)
        function = "def listen(session, audio_chunks):\n" + textwrap.indent(STREAM, "    ")
        names, _ = self.execute(function)
        results = [result for chunk in names["listen"](session, signal.reshape(5, 16000)) for result in chunk]
        self.assertEqual(len(results), (signal.size - 1600) // (16000 - 1600))
        state = np.float32(0)
        for i, result in enumerate(results):
            seen = signal[i * 14400 : i * 14400 + 16000]
            np.testing.assert_allclose(result["y"][0], seen + state, atol=1e-2)
            state += seen.sum()

    def test_benchmark(self):
        session, feed = rt.InferenceSession("model.onnx"), {"input": self.image}
        names, printed = self.execute(BENCHMARK.replace("=30", "=0.1"), session=session, sample_input=feed, input_feed=feed)
        self.assertLessEqual(names["latency"].p50_ms, names["latency"].p99_ms)
        self.assertEqual(names["latency"].runs, 100)
        self.assertGreater(names["throughput"].samples_per_second, 0)
        self.assertGreater(names["memory"].peak_mb, 0)
        self.assertAlmostEqual(sum(op.percentage for op in names["profile"].operations), 100, places=3)
        self.assertIn("Throughput: ", printed)

    def test_compilation(self):
        results = []
        for cached in (False, True):
            names, _ = self.execute(COMPILE)
            self.assertEqual(names["session"].cached, cached)
            self.assertTrue(os.listdir("model_cache"))
            for batch in (1, 3):
                results.append(names["session"].run(None, {"input": np.repeat(self.image, batch, 0)})[0])
        self.assertEqual([result.shape for result in results], [(1, 4), (3, 4), (1, 4), (3, 4)])
        np.testing.assert_array_equal(results[1], results[3])

    def test_memory(self):
        names, _ = self.execute(MEMORY)
        self.assertEqual(rt.InferenceSession("model.onnx", names["options"]).memory()["limit"], 4096 << 20)

    def test_onnx_runtimes_call(self):
        # Theirs falls back to the CPU with a warning; ours asks for it to be said.
        theirs, _ = self.execute(ONNX_RUNTIME.replace("CUDA", "CPU"), input_array=self.image)
        with self.assertRaisesRegex(rt.Unsupported, "Cerebras target"):
            self.execute(OURS, input_array=self.image)
        with self.assertLogs("pyflame_rt", "WARNING"):
            ours, _ = self.execute(OURS.replace("['CerebrasExecutionProvider']", "['CerebrasExecutionProvider', 'CPUExecutionProvider']"), input_array=self.image)
        self.assertIsInstance(theirs["session"], onnxruntime.InferenceSession)
        np.testing.assert_allclose(ours["outputs"][0], theirs["outputs"][0], rtol=1e-4, atol=1e-5)

    def test_levels(self):
        self.assertEqual([(level.name, level.value) for level in rt.OptLevel], [("NONE", 0), ("BASIC", 1), ("EXTENDED", 2), ("ALL", 3)])


if __name__ == "__main__":
    unittest.main(verbosity=1)
