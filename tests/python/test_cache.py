"""The cache of compiled models, and precision."""

import pathlib
import tempfile
import unittest

import numpy as np
import onnxruntime
import pyflame_rt as rt

import models


class Cache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.path = self.folder / "model.onnx"
        self.path.write_bytes(models.convolution())
        self.image = np.random.default_rng(3).standard_normal((2, 3, 16, 16)).astype(np.float32)

    def open(self, source=None, *arguments, **compiled):
        return rt.InferenceSession(self.path if source is None else source, *arguments, compile_options=rt.CompileOptions(self.folder / "cache", **compiled))

    def test_the_second_session_comes_from_it(self):
        for source in (self.path, self.path.read_bytes()):
            first, second = self.open(source), self.open(source)
            self.assertEqual((first.cached, second.cached), (False, True))
            for one, other in ((first.get_inputs(), second.get_inputs()), (first.get_outputs(), second.get_outputs())):
                self.assertEqual([repr(port) for port in one], [repr(port) for port in other])
            self.assertEqual(first.get_modelmeta(), second.get_modelmeta())
            np.testing.assert_array_equal(first.run(None, {"image": self.image})[0], second.run(None, {"image": self.image})[0])
            self.assertEqual(second.passes(), [])

    def test_other_options_and_models_do_not(self):
        self.open()
        self.assertFalse(self.open(input_shapes={"image": [2, 3, 16, 16]}).cached)
        self.assertFalse(self.open(None, rt.SessionOptions(optimization_level=rt.OptLevel.BASIC)).cached)
        self.path.write_bytes(models.recurrent())
        self.assertEqual(self.open().get_inputs()[0].name, "signal")

    def test_a_broken_file_is_made_again(self):
        self.open()
        (file,) = (self.folder / "cache").iterdir()
        whole = file.read_bytes()
        for damaged in (b"", whole[: len(whole) // 2], b"x" * len(whole)):
            file.write_bytes(damaged)
            with self.assertLogs("pyflame_rt", "WARNING") as logged:
                session = self.open()
            self.assertIn("is dropped and made again", logged.output[0])
            self.assertFalse(session.cached)
            self.assertEqual(session.run(None, {"image": self.image})[0].shape, (2, 8))
            self.assertTrue(self.open().cached)

    def test_a_folder_that_cannot_be_written_is_said_and_costs_only_time(self):
        with self.assertLogs("pyflame_rt", "WARNING") as logged:
            session = rt.InferenceSession(self.path, compile_options=rt.CompileOptions("/proc/no/cache"))
        self.assertIn("/proc/no/cache", logged.output[0])
        self.assertEqual(session.run(None, {"image": self.image})[0].shape, (2, 8))

    def test_custom_operators_in_it(self):
        for _ in range(2):
            options = rt.SessionOptions()
            options.register_custom_op("Scale", lambda x, factor: x * np.float32(factor), domain="test.ops")
            session = self.open(models.custom(), options)
            np.testing.assert_allclose(session.run(None, {"x": np.ones(3, np.float32)})[0], [3, 3, 3])
        self.assertTrue(session.cached)


class Precision(unittest.TestCase):
    def test_bfloat16_is_close_and_no_more(self):
        model = models.heavy(megabytes=4)
        x = np.random.default_rng(0).uniform(0.5, 1.5, (4, 1024)).astype(np.float32)
        want = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        coarse = rt.InferenceSession(model, rt.SessionOptions(precision="bfloat16")).run(None, {"x": x})[0]
        self.assertEqual(coarse.dtype, np.float32)
        np.testing.assert_allclose(coarse, want, rtol=1e-2)
        self.assertGreater(np.abs(coarse - want).max(), 0)  # it is another precision
        np.testing.assert_allclose(rt.InferenceSession(model).run(None, {"x": x})[0], want, rtol=1e-5)


if __name__ == "__main__":
    unittest.main(verbosity=1)
