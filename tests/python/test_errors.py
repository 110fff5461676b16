"""What a caller gets wrong: one error that names it and says what is needed; the session stays usable."""

import os
import pathlib
import tempfile
import unittest

import numpy as np
import pyflame_rt as rt
from onnx import TensorProto, helper

import models


class Checks(unittest.TestCase):
    def raises(self, kind, text, function, *arguments, **keywords):
        with self.assertRaisesRegex(kind, text):
            function(*arguments, **keywords)


class Feeds(Checks):
    def setUp(self):
        self.model = models.linear()[0]
        self.session = rt.InferenceSession(self.model)
        self.x = np.zeros((1, 4), np.float32)

    def tearDown(self):
        self.assertEqual(self.session.run(None, {"x": self.x})[0].shape, (1, 3))  # usable after every error

    def check(self, text, feeds, outputs=None, kind=rt.InvalidArgument):
        self.raises(kind, text, self.session.run, outputs, feeds)

    def test_names(self):
        self.check("no input is called 'z'; the inputs are: x", {"z": self.x})
        self.check(r"input 'x' float\[batch,4\] is missing", {})
        self.check("no output is called 'q'; the outputs are: y", {"x": self.x}, ["q"])
        self.check("names of inputs; got 1, need str", {1: self.x})

    def test_types_and_sizes(self):
        self.check(r"'x'\] type; got double\[1, 4\], need float\[batch,4\]", {"x": self.x.astype(np.float64)})
        self.check(r"'x'\] rank; got 1 \[4\], need 2 float\[batch,4\]", {"x": self.x[0]})
        self.check("dimension 1; got 5, need 4", {"x": np.zeros((1, 5), np.float32)})
        self.check("need at most 8", {"x": np.zeros((1,) * 20, np.float32)}, kind=rt.LimitExceeded)
        self.check("type; got nothing", {"x": None})
        self.check("type; got no tensor", {"x": {"a": 1.0}})
        self.check(r"^\[input 'x'\] element type; got an array of dtype datetime64\[s\], need one that ONNX has", {"x": np.zeros((1, 4), "datetime64[s]")})
        self.check(r"'x'\].*dtype float128", {"x": np.zeros((1, 4), np.longdouble)})
        self.check("got object, need str or bytes", {"x": np.array([object()])})
        self.check(r"type; got string\[\]", {"x": "text"})

    def test_containers(self):
        self.check("input_feed; got list, need a dict", [self.x])
        self.check("output_names; got 'y', need a list", {"x": self.x}, "y")
        self.raises(rt.InvalidArgument, "run_options; got dict, need RunOptions", self.session.run, None, {"x": self.x}, {})

    def test_plain_numbers_take_the_declared_type(self):
        want = self.session.run(None, {"x": np.array([[1, 2, 3, 4]], np.float32)})[0]
        for given in ([[1, 2, 3, 4]], [[1.0, 2.0, 3.0, 4.0]], ((1, 2, 3, 4),)):
            np.testing.assert_array_equal(self.session.run(None, {"x": given})[0], want)
        self.check("cannot be made an array", {"x": [[1.0, 2.0], [3.0]]})
        whole = rt.InferenceSession(models.every_type(TensorProto.UINT8))
        np.testing.assert_array_equal(whole.run(None, {"x": [1, 2, 255]})[0], np.array([1, 2, 255], np.uint8))
        self.raises(rt.InvalidArgument, "'x'.*cannot be made an array", whole.run, None, {"x": [256]})
        self.raises(rt.InvalidArgument, r"got double\[1\], need uint8", whole.run, None, {"x": [1.5]})

    def test_empty_and_nan(self):
        self.assertEqual(self.session.run(None, {"x": np.zeros((0, 4), np.float32)})[0].shape, (0, 3))
        self.assertTrue(np.isnan(self.session.run(None, {"x": np.full((1, 4), np.nan, np.float32)})[0]).all())

    def test_a_failing_node_is_named(self):
        node = helper.make_node("Reshape", ["x", "s"], ["y"], name="bend")
        model = models.save([node], [models.value("x", ["n"]), models.value("s", ["k"], TensorProto.INT64)], [models.value("y", ["a", "b"])])
        session = rt.InferenceSession(model)
        self.raises(rt.InvalidArgument, r"\[Reshape 'bend'\].*inputs: x f32\[6\], s i64\[2\]", session.run, None, {"x": np.zeros(6, np.float32), "s": np.array([4, -1])})
        self.assertEqual(session.run(None, {"x": np.zeros(6, np.float32), "s": np.array([3, -1])})[0].shape, (3, 2))

    def test_batches(self):
        batch = self.session.run_batch
        self.raises(rt.InvalidArgument, "feeds 1 lack the input 'x'", batch, None, [{"x": self.x}, {}])
        for size in (0, -1, 1.5, "4"):
            self.raises(rt.InvalidArgument, "max_batch_size", batch, None, [{"x": self.x}], size)
        self.raises(rt.InvalidArgument, "only the first sizes may differ", batch, None, [{"x": self.x}, {"x": np.zeros((1, 5), np.float32)}])
        self.raises(rt.InvalidArgument, "input_feeds; got dict, need a list", batch, None, {"x": self.x})
        self.assertEqual(batch(None, []), [])


class Models(Checks):
    def test_files(self):
        self.raises(rt.NotFound, "/does/not/exist.onnx", rt.InferenceSession, "/does/not/exist.onnx")
        self.raises(FileNotFoundError, "exist", rt.InferenceSession, pathlib.Path("/does/not/exist.onnx"))
        self.raises(rt.InvalidArgument, "got a folder.*need an ONNX model", rt.InferenceSession, tempfile.gettempdir())
        self.raises(TypeError, "int", rt.InferenceSession, 3)
        self.raises(rt.InvalidArgument, "NUL", rt.InferenceSession, "a\0b")
        self.raises(rt.InvalidArgument, "zip archive", rt.InferenceSession, b"PK\3\4" + bytes(100))

    @unittest.skipIf(os.geteuid() == 0, "root may read every file")
    def test_a_file_that_may_not_be_read(self):
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            os.chmod(file.name, 0)
            self.raises(rt.IoError, file.name, rt.InferenceSession, file.name)

    def test_broken_bytes(self):
        model = models.linear()[0]
        for broken in (b"", b"no model", model[: len(model) // 2], model[:-3]):
            self.raises(rt.InvalidArgument, r"^\[", rt.InferenceSession, broken)

    def test_an_unknown_operator_is_named(self):
        self.raises(rt.Unsupported, "test.ops.Scale", rt.InferenceSession, models.custom())

    def test_what_is_not_read_yet_says_what_to_do(self):
        self.raises(rt.Unsupported, "torch.onnx.export", rt.InferenceSession.from_pytorch, "model.pt", input_shapes={"input": [1]})
        self.raises(rt.Unsupported, "torch.onnx.export", rt.InferenceSession.from_torchscript, "model.pts")


class Options(Checks):
    def setUp(self):
        self.model = models.linear()[0]

    def test_values_are_checked_where_they_are_set(self):
        for keywords, text in [
            ({"num_threads": "4"}, "num_threads; got '4', need an int"),
            ({"num_threads": -1}, "num_threads; got -1"),
            ({"num_threads": True}, "num_threads; got True"),
            ({"memory_limit_mb": -1}, "memory_limit_mb; got -1"),
            ({"optimization_level": 7}, "got 7, need one of OptLevel.NONE, OptLevel.BASIC"),
            ({"enable_profiling": "yes"}, "enable_profiling; got 'yes', need True or False"),
            ({"memory_pool": "pool"}, "memory_pool; got 'pool', need one of 'default', 'arena', 'custom'"),
            ({"precision": "int8"}, "precision; got 'int8', need one of 'float32', 'bfloat16'"),
            ({"fallback": "cpu"}, "fallback; got 'cpu', need a list"),
            ({"execution_mode": "fast"}, "execution_mode; got 'fast', need 'sequential'"),
            ({"allocator": 3}, "allocator; got int, need a function"),
        ]:
            self.raises(rt.InvalidArgument, text, rt.SessionOptions, **keywords)
        self.raises(rt.Unsupported, "got 'parallel', need 'sequential'", rt.SessionOptions, execution_mode="parallel")

    def test_names_that_do_not_exist(self):
        options = rt.SessionOptions()
        with self.assertRaisesRegex(AttributeError, "did you mean 'intra_op_num_threads'"):
            options.intra_op_threads = 4
        with self.assertRaisesRegex(AttributeError, "did you mean 'timeout'"):
            rt.RunOptions().timeouts = 4
        self.raises(TypeError, "num_thread", rt.SessionOptions, num_thread=1)

    def test_refused(self):
        options = rt.SessionOptions()
        for name, value in [("optimized_model_filepath", "out.onnx"), ("use_per_session_threads", False), ("execution_mode", rt.ExecutionMode.ORT_PARALLEL)]:
            with self.assertRaises(rt.Unsupported):
                setattr(options, name, value)
        self.raises(rt.Unsupported, "session.x", options.add_session_config_entry, "session.x", "1")
        self.raises(rt.Unsupported, "register_custom_op", options.register_custom_ops_library, "ops.so")
        with self.assertRaises(rt.Unsupported):
            rt.RunOptions().only_execute_path_to_fetches = True

    def test_sessions(self):
        make = rt.InferenceSession
        self.raises(rt.InvalidArgument, "options; got dict, need SessionOptions", make, self.model, {"num_threads": 1})
        self.raises(rt.InvalidArgument, "the same thing", make, self.model, rt.SessionOptions(), sess_options=rt.SessionOptions())
        self.raises(rt.InvalidArgument, "no pass is called 'fold'", make, self.model, rt.SessionOptions(disabled_passes=["fold"]))
        self.raises(rt.InvalidArgument, "allocator needs memory_pool 'custom'", make, self.model, rt.SessionOptions(allocator=bytearray))
        self.raises(rt.InvalidArgument, "'custom' needs an allocator", make, self.model, rt.SessionOptions(memory_pool="custom"))
        coarse = rt.SessionOptions(precision="bfloat16")
        self.raises(rt.InvalidArgument, "need optimisation level 3", make, self.model, coarse, optimization_level=rt.OptLevel.BASIC)

    def test_compile_options(self):
        def make(shapes):
            return rt.InferenceSession(self.model, compile_options=rt.CompileOptions(input_shapes=shapes))

        self.raises(rt.InvalidArgument, "input 'q'.*did you mean \"x\"", make, {"q": [1]})
        self.raises(rt.InvalidArgument, r"got \[1\], need 2 dimensions", make, {"x": [1]})
        self.raises(rt.InvalidArgument, "inner sizes 5 and 4 differ", make, {"x": [1, 5]})
        self.raises(rt.InvalidArgument, "got -2, need at least -1", make, {"x": [-2, 4]})
        self.raises(rt.InvalidArgument, "got 'ab', need a list", make, {"x": "ab"})
        self.raises(rt.InvalidArgument, "input_shapes; got list, need a dict", make, [1])
        self.raises(rt.InvalidArgument, "cache_dir; got dict, need the path", rt.CompileOptions, {"x": [1, 4]})
        self.raises(rt.InvalidArgument, "cache_limit_mb; got -1, need", rt.CompileOptions, None, None, False, -1)

    def test_symbols(self):
        options = rt.SessionOptions()
        self.raises(rt.InvalidArgument, "size of 'n'; got '3', need an int", options.add_free_dimension_override_by_name, "n", "3")
        options.add_free_dimension_override_by_name("butch", 2)
        with self.assertLogs("pyflame_rt", "WARNING") as logged:
            rt.InferenceSession(self.model, options)
        self.assertIn("no input has a dimension called butch", logged.output[0])

    def test_devices_are_refused_not_replaced(self):
        for device in ("wse", "wse2", "wse3", "cuda:0", "tpu"):
            self.raises(rt.Unsupported, device.split(":")[0], rt.InferenceSession, self.model, rt.SessionOptions(device=device))
        with self.assertLogs("pyflame_rt", "WARNING") as logged:
            session = rt.InferenceSession(self.model, rt.SessionOptions(device="wse", fallback=["cpu"]))
        self.assertIn("device 'wse' is not served here", logged.output[0])
        self.assertEqual(session.get_providers(), ["CPUExecutionProvider"])

    def test_providers(self):
        make = rt.InferenceSession
        for name in ("CerebrasExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"):
            self.raises(rt.Unsupported, "fallback", make, self.model, providers=[name])
        with self.assertLogs("pyflame_rt", "WARNING"):
            session = make(self.model, providers=[("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"])
        self.assertEqual(session.get_providers(), ["CPUExecutionProvider"])
        self.raises(rt.Unsupported, "got 'Foo', need one of Cerebras", make, self.model, providers=["Foo"])
        self.raises(rt.InvalidArgument, "need a list of names", make, self.model, providers="CPUExecutionProvider")
        self.raises(rt.Unsupported, "options of CPUExecutionProvider; got arena", make, self.model, providers=[("CPUExecutionProvider", {"arena": 1})])
        self.raises(rt.InvalidArgument, "need one for each of the 1", make, self.model, providers=["CPUExecutionProvider"], provider_options=[{}, {}])
        session.set_providers(["CPUExecutionProvider"])
        self.raises(rt.Unsupported, "need CPUExecutionProvider", session.set_providers, ["CUDAExecutionProvider"])

    def test_profiles(self):
        session = rt.InferenceSession(self.model)
        self.raises(rt.InvalidArgument, "enable_profiling is off", session.end_profiling)

    def test_timeouts(self):
        session = rt.InferenceSession(self.model)
        for timeout in (-1, "soon", float("nan")):
            self.raises(rt.InvalidArgument, "timeout; got", session.run, None, {}, timeout=timeout)


class Bindings(Checks):
    def test_io_binding(self):
        session = rt.InferenceSession(models.linear()[0])
        binding = session.io_binding()
        self.raises(rt.InvalidArgument, "no input is called 'q'; the inputs are: x", binding.bind_cpu_input, "q", np.zeros(1))
        self.raises(rt.InvalidArgument, "no output is called 'q'", binding.bind_output, "q")
        self.raises(rt.Unsupported, "got 'cuda', need 'cpu'", binding.bind_output, "y", "cuda")
        self.raises(rt.InvalidArgument, "need its element_type and shape", binding.bind_output, "y", buffer_ptr=8)
        self.raises(rt.InvalidArgument, "got NoneType, need an IOBinding", session.run_with_iobinding, None)
        binding.bind_cpu_input("x", np.zeros((1, 4), np.float32))
        binding.bind_ortvalue_output("y", rt.OrtValue.ortvalue_from_shape_and_type([2, 3], np.float32))
        self.raises(rt.InvalidArgument, r"got float32\[2, 3\], need float32\[1, 3\]", session.run_with_iobinding, binding)

    def test_ort_values(self):
        self.raises(rt.Unsupported, "got 'cuda', need 'cpu'", rt.OrtValue.ortvalue_from_numpy, np.zeros(1), "cuda")
        self.raises(rt.InvalidArgument, "got a list, need a tensor", rt.OrtValue([1]).numpy)
        self.raises(rt.InvalidArgument, r"got int64\[2\], need float64\[1\]", rt.OrtValue(np.zeros(1)).update_inplace, np.zeros(2, np.int64))


class CustomOperators(Checks):
    def run_with(self, function):
        options = rt.SessionOptions()
        options.register_custom_op("Scale", function, domain="test.ops")
        return rt.InferenceSession(models.custom(), options).run(None, {"x": np.ones(3, np.float32)})

    def test_its_error_becomes_the_runs(self):
        def fails(x, factor):
            raise ValueError("the reason")

        self.raises(rt.InvalidArgument, r"\[Scale\].*ValueError: the reason", self.run_with, fails)
        self.raises(rt.InvalidArgument, "unexpected keyword argument 'factor'", self.run_with, lambda x: x)

    def test_what_it_returns(self):
        self.raises(rt.InvalidArgument, "got 2, need 1", self.run_with, lambda x, factor: (x, x))
        self.raises(rt.InvalidArgument, r"output 0 \('y'\); got f64\[3\], need float", self.run_with, lambda x, factor: x.astype(np.float64))
        self.raises(rt.InvalidArgument, r"output 0 \('y'\); got f32\[1, 3\], need", self.run_with, lambda x, factor: x[None])
        self.raises(rt.InvalidArgument, r"output 0 \('y'\); got nothing", self.run_with, lambda x, factor: None)

    def test_its_inputs_are_read_only(self):
        def writes(x, factor):
            x[0] = 7
            return x

        self.raises(rt.InvalidArgument, "read-only", self.run_with, writes)

    def test_registration(self):
        options = rt.SessionOptions()
        self.raises(rt.InvalidArgument, "got int, need a function", options.register_custom_op, "Scale", 3)
        self.raises(rt.InvalidArgument, "op_type; got 3, need a str", options.register_custom_op, 3, len)


class Streams(Checks):
    def test_options(self):
        make = rt.InferenceSession(models.recurrent()).create_stream
        self.raises(rt.InvalidArgument, "chunk_size; got -1", make, chunk_size=-1)
        self.raises(rt.InvalidArgument, "chunk_size; got 1.5, need an int", make, chunk_size=1.5)
        self.raises(rt.InvalidArgument, "overlap", make, chunk_size=4, overlap=4)
        self.raises(rt.InvalidArgument, "which input is the signal", make, chunk_size=4, stateful=False)
        self.raises(rt.InvalidArgument, "no output is called 'q'", make, chunk_size=4, states={"q": "state"})
        self.raises(rt.InvalidArgument, "axis; got 5", make, chunk_size=4, axis=5)
        self.raises(rt.InvalidArgument, "states; got {1: 2}", make, chunk_size=4, states={1: 2})
        self.raises(rt.InvalidArgument, "constants; got .*need a dict", make, chunk_size=4, constants=[1])

    def test_samples(self):
        stream = rt.InferenceSession(models.recurrent()).create_stream(chunk_size=4)
        self.raises(rt.InvalidArgument, "type of the samples; got double, need float", stream.process, np.zeros(4))
        self.raises(rt.InvalidArgument, "samples; got None", stream.process, None)
        self.raises(rt.InvalidArgument, "rank of the samples; got 3", stream.process, np.zeros((1, 1, 4), np.float32))
        self.raises(rt.InvalidArgument, "rank of the samples; got 0|type of the samples", stream.process, "text")
        self.assertEqual(len(stream.process([1, 2, 3, 4])), 1)  # plain numbers take the signal's type


class Benchmarks(Checks):
    def test_arguments(self):
        bench = rt.Benchmark(rt.InferenceSession(models.linear()[0]))
        feed = {"x": np.zeros((1, 4), np.float32)}
        self.raises(rt.InvalidArgument, "benchmark_runs; got 0", bench.measure_latency, feed, benchmark_runs=0)
        self.raises(rt.InvalidArgument, "batch_size 0", bench.measure_throughput, feed, batch_size=0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
