"""The session as a caller uses it: the examples of the documentation, errors, limits, threads."""

import gc
import json
import os
import pathlib
import tempfile
import threading
import time
import unittest

import numpy as np
import pyflame_rt as rt
from onnx import TensorProto
from pyflame_rt.benchmark import Benchmark

import models


class Running(unittest.TestCase):
    def setUp(self):
        self.model, self.w, self.b = models.linear()
        self.session = rt.InferenceSession(self.model)
        self.x = np.arange(8, dtype=np.float32).reshape(2, 4)

    def test_by_position_and_by_keyword(self):
        want = self.x @ self.w + self.b
        (first,) = self.session.run(None, {"x": self.x})
        (second,) = self.session.run(output_names=["y"], input_feed={"x": self.x})
        np.testing.assert_allclose(first, want, rtol=1e-6)
        np.testing.assert_array_equal(first, second)

    def test_ports(self):
        (x,), (y,) = self.session.get_inputs(), self.session.get_outputs()
        self.assertEqual((x.name, x.shape, x.type, x.dtype), ("x", ["batch", 4], "tensor(float)", np.dtype("float32")))
        self.assertEqual((y.name, y.shape), ("y", ["batch", 3]))
        self.assertEqual(self.session.get_modelmeta().custom_metadata_map, {"author": "tests"})

    def test_from_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "linear.onnx"
            path.write_bytes(self.model)
            for session in (rt.InferenceSession(path), rt.InferenceSession.from_onnx(str(path), optimization_level=rt.OptLevel.NONE)):
                np.testing.assert_allclose(session.run(None, {"x": self.x})[0], self.x @ self.w + self.b, rtol=1e-6)

    def test_arrays_that_are_not_contiguous_or_swapped(self):
        wide = np.arange(16, dtype=np.float32).reshape(2, 8)
        for array in (wide[:, ::2], np.asfortranarray(self.x), self.x.astype(">f4")):
            np.testing.assert_allclose(self.session.run(None, {"x": array})[0], np.asarray(array, np.float32) @ self.w + self.b, rtol=1e-6)

    def test_results_outlive_the_session(self):
        session = rt.InferenceSession(self.model)
        (y,) = session.run(None, {"x": self.x})
        want = y.copy()
        del session
        gc.collect()
        np.testing.assert_array_equal(y, want)

    def test_outputs_are_the_callers_own(self):
        (first,) = self.session.run(None, {"x": self.x})
        first[:] = 0
        (second,) = self.session.run(None, {"x": self.x})
        self.assertTrue((second != 0).any())

    def test_batches(self):
        feeds = [{"x": np.full((1, 4), i, np.float32)} for i in range(7)]
        results = self.session.run_batch(["y"], feeds, max_batch_size=3)
        self.assertEqual(len(results), 7)
        for feed, (y,) in zip(feeds, results):
            np.testing.assert_allclose(y, feed["x"] @ self.w + self.b, rtol=1e-6)

    def test_profile(self):
        profile = self.session.run_with_profiling({"x": self.x})
        self.assertTrue(profile.operations)
        self.assertAlmostEqual(sum(op.percentage for op in profile.operations), 100, places=3)

    def test_recorded_profile_is_a_trace(self):
        session = rt.InferenceSession(self.model, rt.SessionOptions(enable_profiling=True))
        session.run(None, {"x": self.x})
        with tempfile.TemporaryDirectory() as folder:
            session.get_session_options().profile_file_prefix = os.path.join(folder, "p")
            with open(session.end_profiling(), encoding="utf-8") as file:
                self.assertTrue(json.load(file)["traceEvents"])

    def test_compile_options(self):
        session = rt.InferenceSession(self.model, compile_options=rt.CompileOptions(input_shapes={"x": [2, 4]}))
        self.assertEqual(session.get_inputs()[0].shape, [2, 4])
        self.assertEqual(session.get_outputs()[0].shape, [2, 3])
        dynamic = rt.InferenceSession(self.model, compile_options=rt.CompileOptions(input_shapes={"x": [2, 4]}, dynamic_batch=True))
        self.assertEqual(dynamic.run(None, {"x": self.x[:1]})[0].shape, (1, 3))

    def test_benchmark(self):
        bench = Benchmark(self.session)
        latency = bench.measure_latency({"x": self.x}, warmup_runs=1, benchmark_runs=20)
        self.assertLessEqual(latency.min_ms, latency.p50_ms)
        self.assertLessEqual(latency.p50_ms, latency.p99_ms)
        throughput = bench.measure_throughput({"x": self.x}, duration_seconds=0.05, batch_size=4)
        self.assertGreater(throughput.samples_per_second, throughput.batches_per_second)
        self.assertGreater(bench.profile_memory().process_mb, 1)


class Threads(unittest.TestCase):
    def test_several_threads_one_session(self):
        session = rt.InferenceSession(models.convolution())
        images = [np.random.default_rng(i).standard_normal((2, 3, 16, 16)).astype(np.float32) for i in range(4)]
        want = [session.run(None, {"image": image})[0] for image in images]
        wrong = []

        def work(i):
            for _ in range(25):
                if not np.array_equal(session.run(None, {"image": images[i]})[0], want[i]):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_cancel_from_another_thread(self):
        session = rt.InferenceSession(models.endless())
        options = rt.RunOptions()

        def stop():
            time.sleep(0.1)
            options.terminate = True

        threading.Thread(target=stop).start()  # needs the GIL: it runs only because run() has let it go
        with self.assertRaises(rt.Cancelled):
            session.run(None, {"x": np.ones(4, np.float32)}, options)

    def test_deadline(self):
        session = rt.InferenceSession(models.endless())
        with self.assertRaisesRegex(rt.LimitExceeded, "deadline"):
            session.run(None, {"x": np.ones(4, np.float32)}, timeout=0.05)

    def test_async(self):
        session = rt.InferenceSession(models.convolution())
        image = np.ones((1, 3, 16, 16), np.float32)
        seen = []
        future = session.run_async(None, {"image": image}, lambda results, data, error: seen.append((results, data, error)), "mine")
        np.testing.assert_array_equal(future.result()[0], session.run(None, {"image": image})[0])
        for _ in range(100):
            if seen:
                break
            time.sleep(0.01)
        self.assertEqual(seen[0][1:], ("mine", ""))


class Limits(unittest.TestCase):
    def test_memory_limit(self):
        session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_limit_mb=8))
        with self.assertRaisesRegex(rt.LimitExceeded, "memory_limit_mb"):
            session.run(None, {"n": np.array([100_000_000], np.int64)})
        self.assertEqual(session.run(None, {"n": np.array([1000], np.int64)})[0], 0)  # the session stays usable

    def test_memory_follows_the_shapes_in_use(self):
        session = rt.InferenceSession(models.big())
        for size in range(100_000, 1_000_000, 50_000):
            session.run(None, {"n": np.array([size], np.int64)})
        for _ in range(3):
            session.run(None, {"n": np.array([1000], np.int64)})
        memory = session.memory()
        self.assertLess(memory["kept"] + memory["in_use"], 1 << 20)


class Errors(unittest.TestCase):
    def setUp(self):
        self.session = rt.InferenceSession(models.linear()[0])

    def check(self, kind, text, feeds, outputs=None):
        with self.assertRaisesRegex(kind, text):
            self.session.run(outputs, feeds)

    def test_feeds(self):
        x = np.zeros((1, 4), np.float32)
        self.check(rt.InvalidArgument, "no input is called 'z'; the inputs are: x", {"z": x})
        self.check(rt.InvalidArgument, "'x'.*missing", {})
        self.check(rt.InvalidArgument, "got double", {"x": x.astype(np.float64)})
        self.check(rt.InvalidArgument, "rank; got 1", {"x": x[0]})
        self.check(rt.InvalidArgument, "dimension 1; got 5, need 4", {"x": np.zeros((1, 5), np.float32)})
        self.check(rt.InvalidArgument, "no output is called 'q'", {"x": x}, ["q"])
        self.session.run(None, {"x": x})

    def test_empty_and_nan(self):
        self.assertEqual(self.session.run(None, {"x": np.zeros((0, 4), np.float32)})[0].shape, (0, 3))
        self.assertTrue(np.isnan(self.session.run(None, {"x": np.full((1, 4), np.nan, np.float32)})[0]).all())

    def test_models(self):
        with self.assertRaises(rt.NotFound):
            rt.InferenceSession("/does/not/exist.onnx")
        model = models.linear()[0]
        for broken in (b"", b"no model", model[: len(model) // 2], model[:-3]):
            with self.assertRaises(rt.Error):
                rt.InferenceSession(broken)

    def test_devices_are_refused_not_replaced(self):
        model = models.linear()[0]
        for device in ("wse", "cuda:0", "tpu"):
            with self.assertRaisesRegex(rt.Unsupported, device.split(":")[0]):
                rt.InferenceSession(model, rt.SessionOptions(device=device))
        with self.assertRaises(rt.Unsupported):
            rt.InferenceSession(model, providers=["CerebrasExecutionProvider"])
        session = rt.InferenceSession(model, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
        self.assertEqual(session.get_providers(), ["CPUExecutionProvider"])

    def test_unknown_pass(self):
        with self.assertRaisesRegex(rt.InvalidArgument, "no pass is called 'fold'"):
            rt.InferenceSession(models.linear()[0], rt.SessionOptions(disabled_passes=["fold"]))


class CustomOperators(unittest.TestCase):
    def test_a_python_function(self):
        options = rt.SessionOptions()
        options.register_custom_op("Scale", lambda x, factor: x * np.float32(factor), domain="test.ops")
        session = rt.InferenceSession(models.custom(), options)
        np.testing.assert_allclose(session.run(None, {"x": np.ones(3, np.float32)})[0], [3, 3, 3])

    def test_its_error_becomes_the_runs(self):
        options = rt.SessionOptions()

        def fails(x, factor):
            raise ValueError("the reason")

        options.register_custom_op("Scale", fails, domain="test.ops")
        session = rt.InferenceSession(models.custom(), options)
        with self.assertRaisesRegex(rt.InvalidArgument, "the reason"):
            session.run(None, {"x": np.ones(3, np.float32)})

    def test_an_unknown_operator_is_named(self):
        with self.assertRaisesRegex(rt.Error, "Scale"):
            rt.InferenceSession(models.custom())


class Streams(unittest.TestCase):
    def test_state_is_carried(self):
        session = rt.InferenceSession(models.recurrent())
        stream = session.create_stream(chunk_size=4)
        self.assertEqual(stream.states, {"state_out": "state"})
        signal = np.arange(10, dtype=np.float32)
        parts = stream.process(signal[:3]) + stream.process(signal[3:]) + stream.flush()
        got = np.concatenate([part["y"][0] for part in parts])
        want = np.concatenate([signal[0:4], signal[4:8] + signal[:4].sum(), np.array([8, 9, 0, 0], np.float32) + signal[:8].sum()])
        np.testing.assert_allclose(got, want)
        stream.reset()
        np.testing.assert_allclose(stream.process(signal[:4])[0]["y"][0], signal[:4])

    def test_overlap(self):
        session = rt.InferenceSession(models.recurrent())
        stream = session.create_stream(chunk_size=4, overlap=2, stateful=False, constants={"state": np.zeros((1, 1), np.float32)})
        parts = stream.process(np.arange(8, dtype=np.float32))
        np.testing.assert_array_equal([part["y"][0] for part in parts], [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]])

    def test_bad_options(self):
        session = rt.InferenceSession(models.recurrent())
        with self.assertRaisesRegex(rt.InvalidArgument, "overlap"):
            session.create_stream(chunk_size=4, overlap=4)
        with self.assertRaisesRegex(rt.InvalidArgument, "which input is the signal"):
            session.create_stream(chunk_size=4, stateful=False)


class Types(unittest.TestCase):
    def test_strings(self):
        session = rt.InferenceSession(models.strings())
        words = np.array(["one", "zwei", "три"], dtype=object)
        np.testing.assert_array_equal(session.run(None, {"x": words})[0], words)
        np.testing.assert_array_equal(session.run(None, {"x": words.astype(str)})[0], words)

    def test_every_numeric_type(self):
        import ml_dtypes

        for kind, dtype in [
            (TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64), (TensorProto.INT8, np.int8), (TensorProto.UINT64, np.uint64),
            (TensorProto.BOOL, np.bool_), (TensorProto.COMPLEX64, np.complex64), (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
            (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn), (TensorProto.INT4, ml_dtypes.int4), (TensorProto.UINT4, ml_dtypes.uint4),
        ]:
            x = np.array([0, 1, 1], dtype=dtype)
            (y,) = rt.InferenceSession(models.every_type(kind)).run(None, {"x": x})
            self.assertEqual(y.dtype, x.dtype)
            np.testing.assert_array_equal(y.astype(np.float64) if kind != TensorProto.COMPLEX64 else y, x.astype(np.float64) if kind != TensorProto.COMPLEX64 else x)


if __name__ == "__main__":
    unittest.main(verbosity=1)
