"""The engines of `./dev bench graph`, behind one face: made from a file, a number of threads and a precision; then run."""

from __future__ import annotations


class Ours:
    name = "pyflame_rt"

    def __init__(self, path: str, threads: int, precision: str = "f32", cache: str = "", level: str = "ALL"):
        import pyflame_rt as rt

        precision = {"f32": "float32", "bf16": "bfloat16", "int8": "float32"}[precision]
        options = rt.SessionOptions(num_threads=threads, precision=precision, optimization_level=getattr(rt.OptLevel, level))
        self.session = rt.InferenceSession(path, options, compile_options=rt.CompileOptions(cache_dir=cache or None))

    def run(self, feeds: dict) -> list:
        return self.session.run(None, feeds)


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, path: str, threads: int, precision: str = "f32"):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(self, feeds: dict) -> list:
        return self.session.run(None, feeds)


class OpenVino:
    name = "openvino"

    def __init__(self, path: str, threads: int, precision: str = "f32"):
        import openvino as ov

        core = ov.Core()
        config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision}
        compiled = core.compile_model(path, "CPU", config)
        self.request = compiled.create_infer_request()
        self.inputs = {name for port in compiled.inputs for name in port.names}
        self.outputs = list(self.request.model_outputs)

    def run(self, feeds: dict) -> list:
        results = self.request.infer({name: value for name, value in feeds.items() if name in self.inputs})
        return [results[output] for output in self.outputs]


ENGINES = {engine.name: engine for engine in (Ours, OnnxRuntime, OpenVino)}
# Who computes in which precision: ONNX Runtime has no BF16 on CPUs. int8 is what a quantised model says itself, the rest of it in f32.
SERVES = {"f32": list(ENGINES), "bf16": ["pyflame_rt", "openvino"], "int8": list(ENGINES)}
