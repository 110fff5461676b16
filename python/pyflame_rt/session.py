"""``InferenceSession``: a model, loaded, optimised and ready to run."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import time
from typing import Any, Callable, Mapping, Sequence

from . import _core
from .errors import InvalidArgument, Unsupported
from .options import CompileOptions, OptLevel, RunOptions, SessionOptions
from .values import IOBinding, OrtValue

# Providers that callers name, and the device each stands for.
_PROVIDERS = {
    "CPUExecutionProvider": "cpu",
    "CerebrasExecutionProvider": "wse",
    "CUDAExecutionProvider": "cuda:0",
    "TensorrtExecutionProvider": "cuda:0",
}


@dataclasses.dataclass
class Operation:
    """One node of a profiled run."""

    name: str
    op_type: str
    duration_us: float
    percentage: float


@dataclasses.dataclass
class Profile:
    """A profiled run: its operations in order, its wall time, its results."""

    operations: list[Operation]
    total_us: float
    outputs: list[Any]


@dataclasses.dataclass
class ModelMetadata:
    custom_metadata_map: dict[str, str]


@dataclasses.dataclass
class PassReport:
    """What one pass of the optimiser did."""

    name: str
    changes: int
    time_us: float
    disabled: bool


def _device_of(providers: Sequence[Any]) -> tuple[str, list[str]]:
    """The first provider's device; the others are what may serve instead."""
    devices = []
    for provider in providers:
        name = provider[0] if isinstance(provider, tuple) else provider
        if name not in _PROVIDERS:
            raise Unsupported(f"[providers] no provider is called '{name}'; there are {', '.join(_PROVIDERS)}")
        devices.append(_PROVIDERS[name])
    return devices[0], devices[1:]


class InferenceSession:
    """Loads a model (a path, or its bytes) and runs it from any number of threads.

    InferenceSession("model.onnx")
    InferenceSession("model.onnx", SessionOptions(num_threads=2))
    InferenceSession(data, sess_options=options, providers=["CPUExecutionProvider"])

    Further keywords: optimization_level (OptLevel), compile_options (CompileOptions).
    Raises the exceptions of ``pyflame_rt.errors``.
    """

    def __init__(
        self,
        path_or_bytes: str | bytes | os.PathLike,
        options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        *,
        sess_options: SessionOptions | None = None,
        optimization_level: OptLevel | None = None,
        compile_options: CompileOptions | None = None,
    ):
        if options is not None and sess_options is not None:
            raise InvalidArgument("[InferenceSession] options and sess_options are the same thing; give one")
        if provider_options and any(provider_options):
            raise Unsupported("[InferenceSession] provider_options: the providers here have none")
        options = options or sess_options or SessionOptions()
        core = options._core()
        if optimization_level is not None:
            core.optimization_level = int(OptLevel(optimization_level))
        if providers:
            core.device, fallback = _device_of(providers)
            core.fallback = [*options.fallback, *fallback]
        compile_options = compile_options or CompileOptions()
        model = bytes(path_or_bytes) if isinstance(path_or_bytes, (bytes, bytearray, memoryview)) else os.fspath(path_or_bytes)
        compile_core = compile_options._core()
        if options._free_dimensions:
            compile_core.input_shapes = self._with_overrides(model, core, compile_core, options)
        self._session = _core.Session(model, core, compile_core, options._custom)
        self._options = options
        self._device = "cpu"
        self._executor: concurrent.futures.ThreadPoolExecutor | None = None

    @staticmethod
    def _with_overrides(model: Any, core: Any, compile_core: Any, options: SessionOptions) -> dict[str, list[int]]:
        """Sizes for the symbols of add_free_dimension_override_by_name."""
        shapes = dict(compile_core.input_shapes)
        plain = _core.SessionOptions()
        plain.optimization_level = 0
        for port in _core.Session(model, plain, _core.CompileOptions(), options._custom).inputs:
            if port.name not in shapes and any(size in options._free_dimensions for size in port.shape if isinstance(size, str)):
                shapes[port.name] = [size if isinstance(size, int) else options._free_dimensions.get(size, -1) for size in port.shape]
        return shapes

    @classmethod
    def from_onnx(cls, path_or_bytes: str | bytes | os.PathLike, options: SessionOptions | None = None, **keywords: Any) -> "InferenceSession":
        """A session of an ONNX model; keywords as of the constructor."""
        return cls(path_or_bytes, options, **keywords)

    # ---- what the model takes and gives ---------------------------------------------------------------------------
    def get_inputs(self) -> list[_core.NodeArg]:
        """Name, shape (int, str for a symbol, None), dtype (NumPy) and type (``tensor(float)``) of each input."""
        return self._session.inputs

    def get_outputs(self) -> list[_core.NodeArg]:
        return self._session.outputs

    def get_overridable_initializers(self) -> list[_core.NodeArg]:
        return self._session.overridable_initializers

    def get_modelmeta(self) -> ModelMetadata:
        return ModelMetadata(dict(self._session.metadata))

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]

    def get_session_options(self) -> SessionOptions:
        return self._options

    # ---- running --------------------------------------------------------------------------------------------------
    def run(
        self,
        output_names: Sequence[str] | None = None,
        input_feed: Mapping[str, Any] | None = None,
        run_options: RunOptions | None = None,
        *,
        timeout: float | None = None,
    ) -> list[Any]:
        """Outputs in the order of ``output_names`` (None or []: all). Arrays in are not copied when they are C-contiguous.

        timeout: seconds, after which the run ends with ``LimitExceeded``.
        """
        token = run_options._token if run_options is not None else None
        if timeout is None and run_options is not None:
            timeout = run_options.timeout
        feeds = {name: value._value if isinstance(value, OrtValue) else value for name, value in (input_feed or {}).items()}
        return self._session.run(feeds, list(output_names or []), token, timeout)

    def run_with_ort_values(self, output_names: Sequence[str] | None, input_dict_ort_values: Mapping[str, OrtValue], run_options: RunOptions | None = None) -> list[OrtValue]:
        return [OrtValue(value) for value in self.run(output_names, input_dict_ort_values, run_options)]

    def run_async(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], callback: Callable[[list[Any], Any, str], None] | None = None, user_data: Any = None, run_options: RunOptions | None = None) -> concurrent.futures.Future:
        """Runs on a thread of its own. ``callback(results, user_data, error_text)`` when given; the future holds the results, too."""
        if self._executor is None:
            self._executor = concurrent.futures.ThreadPoolExecutor(max_workers=2, thread_name_prefix="pyflame_rt")
        future = self._executor.submit(self.run, output_names, dict(input_feed), run_options)
        if callback is not None:

            def done(finished: concurrent.futures.Future) -> None:
                error = finished.exception()
                callback([] if error else finished.result(), user_data, str(error) if error else "")

            future.add_done_callback(done)
        return future

    def run_batch(self, output_names: Sequence[str] | None, input_feeds: Sequence[Mapping[str, Any]], max_batch_size: int = 8) -> list[list[Any]]:
        """Runs many feeds, stacked along the first dimension in groups of at most ``max_batch_size``; one list of outputs per feed."""
        return self._session.run_batch([dict(feed) for feed in input_feeds], max_batch_size, list(output_names or []))

    def run_with_profiling(self, input_feed: Mapping[str, Any], output_names: Sequence[str] | None = None) -> Profile:
        """One run with the time of each operation: ``profile.operations`` has name, op_type, duration_us, percentage."""
        outputs, operations, total = self._session.run_with_profiling(dict(input_feed), list(output_names or []))
        return Profile([Operation(*operation) for operation in operations], total, outputs)

    def io_binding(self) -> IOBinding:
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        iobinding._run(run_options)

    def create_stream(
        self,
        chunk_size: int = 0,
        overlap: int = 0,
        stateful: bool = True,
        *,
        input: str = "",
        axis: int = -1,
        states: Mapping[str, str] | None = None,
        constants: Mapping[str, Any] | None = None,
    ) -> "Stream":
        """Runs the model over a long signal, chunk by chunk.

        chunk_size: samples of the signal that one run sees, the overlap included; 0: whatever ``process`` is given.
        overlap: samples of the end of a chunk with which the next one begins.
        stateful: outputs that are states go into the next run's inputs; ``states`` maps output to input (found by name otherwise).
        input, axis: the signal's input and the dimension along which it runs; constants: inputs that stay the same.
        """
        return Stream(_core.Stream(self._session, chunk_size, overlap, stateful, input, axis, dict(states or {}), dict(constants or {})))

    # ---- looking inside -------------------------------------------------------------------------------------------
    def passes(self) -> list[PassReport]:
        """What the optimiser did, pass by pass."""
        return [PassReport(*report) for report in self._session.passes()]

    def memory(self) -> dict[str, int]:
        """Bytes: in_use (held by tensors), kept (free blocks), peak, limit (0: none)."""
        return self._session.memory()

    def trim_memory(self) -> None:
        """Gives free blocks back to the system."""
        self._session.trim_memory()

    def optimized_text(self, max_elements: int = 16) -> str:
        """The graph as it runs, in ONNX's text form."""
        return self._session.optimized_text(max_elements)

    def end_profiling(self) -> str:
        """Writes what was recorded (``enable_profiling``) as a Chrome trace and returns its path."""
        path = f"{self._options.profile_file_prefix}{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.getpid()}.json"
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._session.profile_json())
        return path


class Stream:
    """A signal under way: ``InferenceSession.create_stream`` makes one. One thread at a time."""

    def __init__(self, core: _core.Stream):
        self._stream = core

    def process(self, samples: Any) -> list[dict[str, Any]]:
        """Adds samples and runs every chunk that is full: one dict of outputs per chunk."""
        return self._stream.process(samples)

    def flush(self) -> list[dict[str, Any]]:
        """Runs what is left, padded with zeros."""
        return self._stream.flush()

    def reset(self) -> None:
        """Forgets the signal: states to zero, buffered samples dropped."""
        self._stream.reset()

    @property
    def states(self) -> dict[str, str]:
        """State output -> state input, as they are carried."""
        return dict(self._stream.states)
