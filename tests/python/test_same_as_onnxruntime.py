"""One script, two packages: ordinary ONNX Runtime code must do the same under `import pyflame_rt as ort`."""

import importlib
import unittest

import numpy as np

import models


def script(ort):
    """What a caller of ONNX Runtime writes; returns everything it saw."""
    seen = {}
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_reuse = True
    session = ort.InferenceSession(models.convolution(), sess_options=options, providers=["CPUExecutionProvider"])
    seen["inputs"] = [(i.name, i.shape, i.type) for i in session.get_inputs()]
    seen["outputs"] = [(o.name, o.shape, o.type) for o in session.get_outputs()]
    seen["providers"] = session.get_providers()
    image = np.random.default_rng(3).standard_normal((2, 3, 16, 16)).astype(np.float32)
    seen["run"] = session.run(None, {"image": image})
    seen["named"] = session.run(["scores"], {"image": image}, ort.RunOptions())
    value = ort.OrtValue.ortvalue_from_numpy(image)
    seen["value"] = (value.shape(), value.is_tensor(), value.device_name())
    seen["ort_values"] = [v.numpy() for v in session.run_with_ort_values(["scores"], {"image": value})]
    binding = session.io_binding()
    binding.bind_cpu_input("image", image)
    binding.bind_output("scores")
    session.run_with_iobinding(binding)
    seen["binding"] = binding.copy_outputs_to_cpu()
    for name, feeds in [("name", {"wrong": image}), ("rank", {"image": image[0]}), ("type", {"image": image.astype(np.float64)}), ("missing", {})]:
        try:
            session.run(None, feeds)
            seen[f"error {name}"] = "none"
        except Exception:  # noqa: BLE001: which exception is not part of what is the same
            seen[f"error {name}"] = "raised"
    fixed = ort.SessionOptions()
    fixed.add_free_dimension_override_by_name("n", 2)
    seen["fixed"] = ort.InferenceSession(models.convolution(), fixed, providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    seen["available"] = "CPUExecutionProvider" in ort.get_available_providers()
    seen["device"] = ort.get_device()
    return seen


class Same(unittest.TestCase):
    def test_script(self):
        ours, theirs = (script(importlib.import_module(name)) for name in ("pyflame_rt", "onnxruntime"))
        self.assertEqual(ours.keys(), theirs.keys())
        for key, want in theirs.items():
            with self.subTest(key):
                if isinstance(want, list) and want and isinstance(want[0], np.ndarray):
                    for a, b in zip(ours[key], want, strict=True):
                        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
                else:
                    self.assertEqual(ours[key], want)


if __name__ == "__main__":
    unittest.main(verbosity=1)
