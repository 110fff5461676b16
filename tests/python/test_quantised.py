"""Quantised models beside ONNX Runtime."""

import importlib
import unittest

import numpy as np

import models


def run(name, model, feeds):
    ort = importlib.import_module(name)
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)[0]


class Quantised(unittest.TestCase):
    def both(self, model, feeds):
        return [run(name, model, feeds) for name in ("pyflame_rt", "onnxruntime")]

    def test_mobilenet(self):
        """Sums are exact in both. Where a number lies next to a half, another order of two float operations decides which byte it becomes, and
        every layer has thousands of numbers: most results are the same byte, none is far away."""
        image = np.random.default_rng(6).standard_normal((3, 3, 48, 48)).astype(np.float32)
        ours, theirs = self.both(models.quantised_mobilenet(), {"image": image})
        apart = np.abs(ours - theirs) / (8 / 255)
        self.assertGreater(np.ptp(theirs), 1, "the model's results are too much alike to tell anything")
        self.assertLessEqual(apart.max(), 3.01)
        self.assertLessEqual(apart.mean(), 0.5)

    def test_dynamic(self):
        x = np.random.default_rng(7).standard_normal((2, 9, 40)).astype(np.float32)
        ours, theirs = self.both(models.dynamically_quantised(), {"x": x})
        # One byte of the second layer's input more or less: at most 63 * 0.02 / sqrt(96) of its range of about 5 / 255.
        np.testing.assert_allclose(ours, theirs, atol=5e-3)
        self.assertLess(np.mean(np.abs(ours - theirs)), 5e-4)


if __name__ == "__main__":
    unittest.main(verbosity=1)
