"""One script, two packages: ordinary ONNX Runtime code must do the same under `import pyflame_rt as ort`."""

import importlib
import json
import os
import pathlib
import tempfile
import threading
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
    # Values and bindings.
    blank = ort.OrtValue.ortvalue_from_shape_and_type([2, 8], np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("image", value)
    binding.bind_ortvalue_output("scores", blank)
    session.run_with_iobinding(binding)
    seen["bound"] = [blank.numpy()]
    address = image.ctypes.data
    room = np.zeros((2, 8), np.float32)
    binding = session.io_binding()
    binding.bind_input("image", "cpu", 0, np.float32, image.shape, address)
    binding.bind_output("scores", "cpu", 0, np.float32, room.shape, room.ctypes.data)
    session.run_with_iobinding(binding, ort.RunOptions())
    seen["pointers"] = [room]
    seen["bound names"] = [v.shape() for v in binding.get_outputs()]
    seen["element types"] = [(v.element_type(), v.data_type(), v.tensor_size_in_bytes()) for v in (value, blank)]
    blank.update_inplace(np.ones((2, 8), np.float32))
    seen["updated"] = [blank.numpy()]
    seen["kinds"] = (value.has_value(), value.is_tensor_sequence(), value.is_sparse_tensor())
    bits = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([0x3F80], np.uint16), 16)
    seen["bfloat16"] = (bits.element_type(), bits.data_type(), bits.shape())
    # What the model says about itself.
    meta = ort.InferenceSession(models.linear()[0], providers=["CPUExecutionProvider"]).get_modelmeta()
    seen["meta"] = [getattr(meta, name) for name in ("producer_name", "graph_name", "domain", "description", "graph_description", "version", "custom_metadata_map")]
    # A run in the background.
    done, async_results = threading.Event(), []

    def callback(results, user_data, error):
        async_results.append((results[0], user_data, error))
        done.set()

    ort.InferenceSession(models.convolution(), providers=["CPUExecutionProvider"]).run_async(None, {"image": image}, callback, "mine")
    done.wait(30)
    seen["async"] = [async_results[0][0]]
    seen["async words"] = async_results[0][1:]
    # Stopping.
    stopped = ort.RunOptions()
    stopped.terminate = True
    try:
        session.run(None, {"image": image}, stopped)
        seen["terminated"] = "none"
    except Exception:  # noqa: BLE001
        seen["terminated"] = "raised"
    # Strings, and more than one type of file argument.
    words = np.array(["a", "bc"], dtype=object)
    seen["strings"] = list(ort.InferenceSession(models.strings(), providers=["CPUExecutionProvider"]).run(None, {"x": words})[0])
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "m.onnx")
        path.write_bytes(models.convolution())
        seen["paths"] = [ort.InferenceSession(p, providers=["CPUExecutionProvider"]).run(None, {"image": image})[0] for p in (path, str(path))]
        recorded = ort.SessionOptions()
        recorded.enable_profiling = True
        recorded.profile_file_prefix = os.path.join(folder, "profile")
        profiled = ort.InferenceSession(str(path), recorded, providers=["CPUExecutionProvider"])
        profiled.run(None, {"image": image})
        written = profiled.end_profiling()
        with open(written, encoding="utf-8") as file:
            events = json.load(file)
        seen["profile"] = (pathlib.Path(written).name.startswith("profile"), bool(events))
    # Options as they are read back.
    quiet = ort.SessionOptions()
    quiet.log_severity_level, quiet.logid, quiet.enable_mem_pattern, quiet.enable_cpu_mem_arena = 3, "me", False, False
    quiet.inter_op_num_threads, quiet.use_deterministic_compute = 2, True
    quiet.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    names = ("log_severity_level", "logid", "enable_mem_pattern", "enable_cpu_mem_arena", "inter_op_num_threads", "use_deterministic_compute", "intra_op_num_threads", "enable_profiling", "optimized_model_filepath", "use_per_session_threads", "enable_mem_reuse")
    seen["options"] = [getattr(quiet, name) for name in names]
    seen["enumerations"] = [quiet.graph_optimization_level.name, quiet.execution_mode.name]
    quiet_session = ort.InferenceSession(models.convolution(), sess_options=quiet, providers=[("CPUExecutionProvider", {})])
    seen["quiet"] = quiet_session.run(None, {"image": image})
    seen["read back"] = quiet_session.get_session_options().logid
    try:
        quiet.no_such_option = 1
        seen["unknown option"] = "none"
    except AttributeError:
        seen["unknown option"] = "raised"
    ort.set_default_logger_severity(3)
    fixed = ort.SessionOptions()
    fixed.add_free_dimension_override_by_name("n", 2)
    seen["fixed"] = ort.InferenceSession(models.convolution(), fixed, providers=["CPUExecutionProvider"]).get_inputs()[0].shape
    seen["available"] = "CPUExecutionProvider" in ort.get_available_providers()
    seen["device"] = ort.get_device()
    return seen


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


class Names(unittest.TestCase):
    """Whatever ONNX Runtime offers is here under its name, or the documentation says that it is absent."""

    def test_every_name_is_here_or_named_absent(self):
        theirs, ours = importlib.import_module("onnxruntime"), importlib.import_module("pyflame_rt")
        documentation = pathlib.Path(os.environ["HEARTH_SOURCE"], "docs/from_onnxruntime.md").read_text(encoding="utf-8")
        absent = set(documentation.split("## Absent", 1)[1].replace("`", " ").replace(",", " ").replace(".", " ").split())
        modules = {"capi", "contextlib", "import_capi_exception", "onnxruntime_validation", "package_name"}
        missing = public(theirs) - public(ours) - modules
        for kind in ("InferenceSession", "SessionOptions", "RunOptions", "OrtValue", "IOBinding", "NodeArg", "ModelMetadata", "GraphOptimizationLevel", "ExecutionMode"):
            made = getattr(ours, kind)
            known = public(made) | set(getattr(made, "__annotations__", {}))
            missing |= public(getattr(theirs, kind)) - known - {"name", "value"}
        self.assertEqual(sorted(missing - absent), [])


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
