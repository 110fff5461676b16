"""The session as a caller uses it when nothing goes wrong."""

import json
import os
import pathlib
import tempfile
import unittest

import numpy as np
import pyflame_rt as rt
from onnx import TensorProto, helper

import models


class Running(unittest.TestCase):
    def setUp(self):
        self.model, self.w, self.b = models.linear()
        self.session = rt.InferenceSession(self.model)
        self.x = np.arange(8, dtype=np.float32).reshape(2, 4)
        self.want = self.x @ self.w + self.b

    def assert_right(self, got):
        np.testing.assert_allclose(got, self.want, rtol=1e-5, atol=1e-5)

    def test_by_position_and_by_keyword(self):
        (first,) = self.session.run(None, {"x": self.x})
        (second,) = self.session.run(output_names=["y"], input_feed={"x": self.x})
        self.assert_right(first)
        np.testing.assert_array_equal(first, second)

    def test_outputs_in_the_order_asked_for(self):
        nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Abs", ["x"], ["b"])]
        session = rt.InferenceSession(models.save(nodes, [models.value("x", [1])], [models.value("a", [1]), models.value("b", [1])]))
        feed = {"x": np.array([2], np.float32)}
        self.assertEqual([float(v[0]) for v in session.run(["b", "a", "b"], feed)], [2, -2, 2])
        self.assertEqual([float(v[0]) for v in session.run([], feed)], [-2, 2])

    def test_ports(self):
        (x,), (y,) = self.session.get_inputs(), self.session.get_outputs()
        self.assertEqual((x.name, x.shape, x.type, x.dtype), ("x", ["batch", 4], "tensor(float)", np.dtype("float32")))
        self.assertEqual((y.name, y.shape), ("y", ["batch", 3]))
        self.assertEqual(repr(x), "NodeArg(name='x', type='tensor(float)', shape=['batch', 4])")

    def test_metadata(self):
        meta = self.session.get_modelmeta()
        self.assertEqual((meta.graph_name, meta.custom_metadata_map), ("g", {"author": "tests"}))

    def test_files_and_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "lineär.onnx"
            path.write_bytes(self.model)
            for source in (path, str(path), self.model, bytearray(self.model), memoryview(self.model)):
                self.assert_right(rt.InferenceSession(source).run(None, {"x": self.x})[0])
            self.assert_right(rt.InferenceSession.from_onnx(str(path), optimization_level=rt.OptLevel.NONE).run(None, {"x": self.x})[0])

    def test_every_level_and_number_of_threads(self):
        for level in rt.OptLevel:
            for threads in (1, 2, 5):
                session = rt.InferenceSession(self.model, rt.SessionOptions(num_threads=threads), optimization_level=level)
                self.assert_right(session.run(None, {"x": self.x})[0])

    def test_batches(self):
        feeds = [{"x": np.full((1 + i % 2, 4), i, np.float32)} for i in range(7)]
        results = self.session.run_batch(["y"], feeds, max_batch_size=3)
        self.assertEqual(len(results), 7)
        for feed, (y,) in zip(feeds, results):
            np.testing.assert_allclose(y, feed["x"] @ self.w + self.b, rtol=1e-5, atol=1e-5)

    def test_profile(self):
        profile = self.session.run_with_profiling({"x": self.x})
        self.assertTrue(profile.operations)
        self.assertAlmostEqual(sum(op.percentage for op in profile.operations), 100, places=3)
        self.assertGreaterEqual(profile.total_us, sum(op.duration_us for op in profile.operations) * 0.99)
        self.assert_right(profile.outputs[0])

    def test_recorded_profile_is_a_trace(self):
        session = rt.InferenceSession(self.model, rt.SessionOptions(enable_profiling=True))
        session.run(None, {"x": self.x})
        with tempfile.TemporaryDirectory() as folder:
            session.get_session_options().profile_file_prefix = os.path.join(folder, "p")
            with open(session.end_profiling(), encoding="utf-8") as file:
                self.assertTrue(json.load(file)["traceEvents"])

    def test_compile_options(self):
        session = rt.InferenceSession(self.model, compile_options=rt.CompileOptions(input_shapes={"x": [2, 4]}))
        self.assertEqual((session.get_inputs()[0].shape, session.get_outputs()[0].shape), ([2, 4], [2, 3]))
        self.assert_right(session.run(None, {"x": self.x})[0])
        dynamic = rt.InferenceSession(self.model, compile_options=rt.CompileOptions(input_shapes={"x": [2, 4]}, dynamic_batch=True))
        self.assertEqual(dynamic.run(None, {"x": self.x[:1]})[0].shape, (1, 3))

    def test_symbols_fixed_by_name(self):
        options = rt.SessionOptions()
        options.add_free_dimension_override_by_name("batch", 2)
        session = rt.InferenceSession(self.model, options)
        self.assertEqual(session.get_outputs()[0].shape, [2, 3])

    def test_passes_by_name(self):
        folding = next(report for report in self.session.passes() if not report.disabled)
        session = rt.InferenceSession(self.model, rt.SessionOptions(disabled_passes=[folding.name]))
        self.assertTrue(next(report for report in session.passes() if report.name == folding.name).disabled)
        self.assert_right(session.run(None, {"x": self.x})[0])
        self.assertIn("MatMul", rt.InferenceSession(self.model, optimization_level=rt.OptLevel.NONE).optimized_text())

    def test_benchmark(self):
        bench = rt.Benchmark(self.session)
        latency = bench.measure_latency({"x": self.x}, warmup_runs=1, benchmark_runs=20)
        self.assertLessEqual(latency.min_ms, latency.p50_ms)
        self.assertLessEqual(latency.p50_ms, latency.p99_ms)
        self.assertLessEqual(latency.p99_ms, latency.max_ms)
        throughput = bench.measure_throughput({"x": self.x}, duration_seconds=0.05, batch_size=4)
        self.assertAlmostEqual(throughput.samples_per_second, 4 * throughput.batches_per_second, delta=1e-6 * throughput.samples_per_second)
        self.assertGreaterEqual(throughput.seconds, 0.05)
        self.assertGreater(bench.profile_memory().process_mb, 1)
        self.assertTrue(bench.profile_operations({"x": self.x}).operations)

    def test_logs(self):
        options = rt.SessionOptions()
        options.log_severity_level, options.logid = 1, "mine"
        with self.assertLogs("pyflame_rt", "INFO") as logged:
            session = rt.InferenceSession(self.model, options)
        self.assertRegex(logged.output[0], "mine: session made in .* ms")
        run_options = rt.RunOptions()
        run_options.log_severity_level = 0
        with self.assertLogs("pyflame_rt", "DEBUG") as logged:
            session.run(None, {"x": self.x}, run_options)
        self.assertRegex(logged.output[0], "ran in .* ms")
        with self.assertNoLogs("pyflame_rt") if hasattr(self, "assertNoLogs") else self.subTest():
            rt.InferenceSession(self.model)

    def test_versions(self):
        self.assertEqual(rt.__version__, rt.get_version_string())
        self.assertIn("cpu", rt.get_build_info())
        self.assertEqual(rt.available_devices(), ["cpu"])
        self.assertEqual(rt.get_available_providers(), ["CPUExecutionProvider"])


class CustomOperators(unittest.TestCase):
    def test_a_python_function(self):
        options = rt.SessionOptions()
        options.register_custom_op("Scale", lambda x, factor: x * np.float32(factor), domain="test.ops")
        session = rt.InferenceSession(models.custom(), options)
        np.testing.assert_allclose(session.run(None, {"x": np.ones(3, np.float32)})[0], [3, 3, 3])

    def test_absent_inputs_several_outputs_every_attribute(self):
        table = helper.make_tensor("table", TensorProto.FLOAT, [2], [5.0, 6.0])
        node = helper.make_node("Mix", ["x", "", "x"], ["a", "b"], domain="test.ops", i=7, s="text", f=1.5, many=[1, 2], reals=[0.5, 2.0], words=["u", "v"], table=table)
        seen = []

        def mix(*inputs, **attributes):
            seen.append((inputs, attributes))
            return inputs[0] + 1, inputs[2].astype(np.int64)

        options = rt.SessionOptions()
        options.register_custom_op("Mix", mix, domain="test.ops")
        outputs = [models.value("a", ["n"]), models.value("b", ["n"], TensorProto.INT64)]
        session = rt.InferenceSession(models.save([node], [models.value("x", ["n"])], outputs, domains=["test.ops"]), options)
        a, b = session.run(None, {"x": np.array([1, 2], np.float32)})
        self.assertEqual((list(a), list(b), b.dtype), ([2, 3], [1, 2], np.dtype(np.int64)))
        (inputs, attributes), = seen
        self.assertIsNone(inputs[1])
        np.testing.assert_array_equal(attributes.pop("table"), [5, 6])
        self.assertEqual(attributes, {"i": 7, "s": "text", "f": 1.5, "many": [1, 2], "reals": [0.5, 2.0], "words": ["u", "v"]})


if __name__ == "__main__":
    unittest.main(verbosity=1)
