"""``InferenceSession``: a model, loaded, optimised and ready to run."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from typing import Any, Callable, Mapping, Sequence

from . import _core, logs
from .enums import OptLevel
from .errors import InvalidArgument, Unsupported
from .options import CompileOptions, RunOptions, SessionOptions
from .providers import devices_of
from .reports import ModelMetadata, Operation, PassReport, Profile
from .stream import Stream
from .values import IOBinding, OrtValue, plain

Model = str | bytes | bytearray | memoryview | os.PathLike


def _checked(kind: type, value: Any, what: str) -> Any:
    if value is not None and not isinstance(value, kind):
        raise InvalidArgument(f"[InferenceSession] {what}; got {type(value).__name__}, need {kind.__name__}")
    return value


def _feeds(input_feed: Any) -> dict[str, Any]:
    if not isinstance(input_feed, Mapping):
        raise InvalidArgument(f"[run] input_feed; got {type(input_feed).__name__}, need a dict: input name -> array")
    return {name: plain(value) for name, value in input_feed.items()}


def _names(output_names: Any) -> list[str]:
    if output_names is None:
        return []
    if isinstance(output_names, (str, bytes)) or not all(isinstance(name, str) for name in output_names):
        raise InvalidArgument(f"[run] output_names; got {output_names!r}, need a list of names, or None for all")
    return list(output_names)


def _limits(run_options: Any, timeout: Any) -> tuple[_core.CancelToken | None, float | None]:
    if run_options is None and timeout is None:
        return None, None
    options = _checked(RunOptions, run_options, "run_options") or RunOptions()
    if timeout is None:
        return options._token, options.timeout
    return options._token, RunOptions(timeout).timeout


class InferenceSession:
    """A model, loaded, optimised, and run from any number of threads.

    path_or_bytes: a file (.onnx or .pfm, told apart by its content), or the bytes of one.
    options, sess_options: a ``SessionOptions``; two names of one thing.
    providers: ONNX Runtime's names, or pairs of name and options; the first that this machine serves is used. None: ``options.device``.
    optimization_level: an ``OptLevel``, before that of the options.
    compile_options: a ``CompileOptions``.

    Raises ``NotFound`` or ``IoError`` for the file, ``InvalidArgument`` for a model or option that breaks its rules, ``Unsupported``
    for an operator, device or provider that nothing here serves, ``LimitExceeded`` for a model beyond a limit. Each names what it is about.

        session = InferenceSession("model.onnx", SessionOptions(num_threads=2))
        (scores,) = session.run(["scores"], {"image": image})
    """

    def __init__(
        self,
        path_or_bytes: Model,
        options: SessionOptions | None = None,
        providers: Sequence[Any] | None = None,
        provider_options: Sequence[Mapping[str, Any]] | None = None,
        *,
        sess_options: SessionOptions | None = None,
        optimization_level: OptLevel | None = None,
        compile_options: CompileOptions | None = None,
    ):
        begin = time.perf_counter()
        if options is not None and sess_options is not None:
            raise InvalidArgument("[InferenceSession] got options and sess_options, which are the same thing; need one of them")
        options = _checked(SessionOptions, options if options is not None else sess_options, "options") or SessionOptions()
        compile_options = _checked(CompileOptions, compile_options, "compile_options") or CompileOptions()
        core = options._core()
        if optimization_level is not None:
            level = SessionOptions(optimization_level=optimization_level).optimization_level
            core.optimization_level = int(level)
        if providers:
            devices = devices_of(providers, provider_options)
            core.device, core.fallback = devices[0], [*devices[1:], *options.fallback]
        elif provider_options:
            raise InvalidArgument("[InferenceSession] got provider_options, need the providers that they belong to")
        if isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
            model: str | bytes = bytes(path_or_bytes)
        else:
            model = os.fsdecode(os.fspath(path_or_bytes))
            if "\0" in model:
                raise InvalidArgument(f"[InferenceSession] path; got {model!r}, need one without a NUL character")
        compile_core = compile_options._core()
        if options._free_dimensions:
            compile_core.input_shapes = self._with_overrides(model, compile_core, options)
        self._session = _core.Session(model, core, compile_core, options._custom)
        self._options = options
        self._lock = threading.Lock()
        self._executor: concurrent.futures.ThreadPoolExecutor | None = None
        if core.device not in _core.available_devices():
            self._log(logs.WARNING, f"device '{core.device}' is not served here; the fallback 'cpu' is used")
        changes = ", ".join(f"{report.name} {report.changes}" for report in self.passes() if report.changes) or "none"
        how = "from the cache" if self.cached else f"changes by pass: {changes}"
        self._log(logs.INFO, f"session made in {(time.perf_counter() - begin) * 1e3:.1f} ms; {how}")

    def _log(self, severity: int, message: str) -> None:
        logs.log(self._options.log_severity_level, severity, self._options.logid, message)

    @staticmethod
    def _with_overrides(model: Any, compile_core: Any, options: SessionOptions) -> dict[str, list[int]]:
        """Sizes for the symbols of add_free_dimension_override_by_name."""
        shapes = dict(compile_core.input_shapes)
        plainly = _core.SessionOptions()
        plainly.optimization_level = 0
        ports = _core.Session(model, plainly, _core.CompileOptions(), options._custom).inputs
        unknown = set(options._free_dimensions) - {size for port in ports for size in port.shape}
        if unknown:
            logs.log(options.log_severity_level, logs.WARNING, options.logid, f"no input has a dimension called {', '.join(sorted(unknown))}: nothing is fixed by it")
        for port in ports:
            if port.name not in shapes and any(size in options._free_dimensions for size in port.shape if isinstance(size, str)):
                shapes[port.name] = [size if isinstance(size, int) else options._free_dimensions.get(size or "", -1) for size in port.shape]
        return shapes

    @classmethod
    def from_onnx(cls, path_or_bytes: Model, options: SessionOptions | None = None, **keywords: Any) -> InferenceSession:
        """A session of an ONNX model; keywords as of the constructor."""
        return cls(path_or_bytes, options, **keywords)

    @classmethod
    def from_pytorch(cls, path: str | os.PathLike, input_shapes: Mapping[str, Sequence[int]] | None = None, **keywords: Any) -> InferenceSession:
        """Refused: PyTorch checkpoints are not read yet. Raises ``Unsupported`` and says what to do instead."""
        raise Unsupported(f"[from_pytorch] '{os.fspath(path)}'; got a PyTorch checkpoint, need ONNX: torch.onnx.export writes it")

    @classmethod
    def from_torchscript(cls, path: str | os.PathLike, **keywords: Any) -> InferenceSession:
        """Refused: TorchScript is not read yet. Raises ``Unsupported`` and says what to do instead."""
        raise Unsupported(f"[from_torchscript] '{os.fspath(path)}'; got TorchScript, need ONNX: torch.onnx.export writes it")

    # ---- what the model takes and gives ---------------------------------------------------------------------------
    def get_inputs(self) -> list[_core.NodeArg]:
        """Name, shape (int, str for a symbol, None where open), dtype (NumPy) and type (``tensor(float)``) of each input."""
        return self._session.inputs

    def get_outputs(self) -> list[_core.NodeArg]:
        """As ``get_inputs``, of the outputs. Sizes are what shape inference found."""
        return self._session.outputs

    def get_overridable_initializers(self) -> list[_core.NodeArg]:
        """Inputs that have a value in the model: a feed may replace it."""
        return self._session.overridable_initializers

    def get_modelmeta(self) -> ModelMetadata:
        """What the model says about itself."""
        return ModelMetadata(**self._session.model_info())

    def get_providers(self) -> list[str]:
        """Providers at work."""
        return ["CPUExecutionProvider"]

    def get_provider_options(self) -> dict[str, dict[str, str]]:
        """Options of the providers at work: none."""
        return {name: {} for name in self.get_providers()}

    def set_providers(self, providers: Sequence[Any] | None = None, provider_options: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Checks that one of these providers is at work. Raises ``Unsupported`` when none is: sessions do not move."""
        if providers and "cpu" not in devices_of(providers, provider_options):
            raise Unsupported(f"[set_providers] got {', '.join(map(str, providers))}, need CPUExecutionProvider among them: it is what serves here")

    def get_session_options(self) -> SessionOptions:
        """The options that this session was made with."""
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
        """Runs the model once.

        output_names: which outputs, in which order; None or []: all.
        input_feed: input name -> array of the input's dtype and rank (lists of plain numbers are converted), a list for a sequence,
            a dict for a map, an ``OrtValue``. C-contiguous arrays are read where they lie.
        run_options: a ``RunOptions``; timeout: seconds, before that of the options.

        Returns an array for each tensor (object arrays of str for strings), a list for a sequence, a dict for a map, None for an
        absent optional. They are the caller's own and outlive the session.

        Raises ``InvalidArgument`` for a wrong name, dtype, rank or size and for values an operator refuses, ``LimitExceeded`` past
        memory_limit_mb or the timeout, ``Cancelled``. The session stays usable.
        """
        token, seconds = _limits(run_options, timeout)
        begin = time.perf_counter()
        results = self._session.run(_feeds(input_feed if input_feed is not None else {}), _names(output_names), token, seconds)
        if run_options is not None:
            logs.log(run_options.log_severity_level, logs.VERBOSE, run_options.logid, f"ran in {(time.perf_counter() - begin) * 1e3:.3f} ms")
        return results

    def run_with_ort_values(self, output_names: Sequence[str] | None, input_dict_ort_values: Mapping[str, OrtValue], run_options: RunOptions | None = None) -> list[OrtValue]:
        """``run`` with values in and out as ``OrtValue``."""
        return [OrtValue(value) for value in self.run(output_names, input_dict_ort_values, run_options)]

    def run_async(
        self,
        output_names: Sequence[str] | None,
        input_feed: Mapping[str, Any],
        callback: Callable[[list[Any], Any, str], None] | None = None,
        user_data: Any = None,
        run_options: RunOptions | None = None,
    ) -> concurrent.futures.Future[list[Any]]:
        """``run`` on a thread of its own. ``callback(results, user_data, error_text)`` when given ([] and a text after an error); the
        future that is returned holds the results or the exception as well."""
        if callback is not None and not callable(callback):
            raise InvalidArgument(f"[run_async] callback; got {type(callback).__name__}, need a function (results, user_data, error)")
        with self._lock:
            if self._executor is None:
                self._executor = concurrent.futures.ThreadPoolExecutor(max_workers=2, thread_name_prefix="pyflame_rt")
        future = self._executor.submit(self.run, output_names, dict(_feeds(input_feed)), run_options)
        if callback is not None:

            def done(finished: concurrent.futures.Future[list[Any]]) -> None:
                error = finished.exception()
                callback([] if error else finished.result(), user_data, str(error) if error else "")

            future.add_done_callback(done)
        return future

    def run_batch(
        self,
        output_names: Sequence[str] | None,
        input_feeds: Sequence[Mapping[str, Any]],
        max_batch_size: int = 8,
        run_options: RunOptions | None = None,
        *,
        timeout: float | None = None,
    ) -> list[list[Any]]:
        """Runs many feeds, stacked along the first dimension in groups of at most ``max_batch_size``: one list of outputs for each.

        Feeds agree in all sizes but the first. A timeout is for all of them together.
        Raises as ``run`` does, and ``InvalidArgument`` when an output does not keep the samples of a batch apart.
        """
        if isinstance(max_batch_size, bool) or not hasattr(max_batch_size, "__index__") or max_batch_size < 1:
            raise InvalidArgument(f"[run_batch] max_batch_size; got {max_batch_size!r}, need an int of at least 1")
        if isinstance(input_feeds, (Mapping, str)) or not hasattr(input_feeds, "__iter__"):
            raise InvalidArgument(f"[run_batch] input_feeds; got {type(input_feeds).__name__}, need a list of dicts, one for each run")
        token, seconds = _limits(run_options, timeout)
        return self._session.run_batch([_feeds(feed) for feed in input_feeds], max_batch_size, _names(output_names), token, seconds)

    def run_with_profiling(
        self,
        input_feed: Mapping[str, Any],
        output_names: Sequence[str] | None = None,
        run_options: RunOptions | None = None,
        *,
        timeout: float | None = None,
    ) -> Profile:
        """``run`` with the time of each operation: ``profile.operations`` has name, op_type, duration_us, percentage."""
        token, seconds = _limits(run_options, timeout)
        outputs, operations, total = self._session.run_with_profiling(_feeds(input_feed), _names(output_names), token, seconds)
        return Profile([Operation(*operation) for operation in operations], total, outputs)

    def io_binding(self) -> IOBinding:
        """An empty ``IOBinding`` of this session."""
        return IOBinding(self)

    def run_with_iobinding(self, iobinding: IOBinding, run_options: RunOptions | None = None) -> None:
        """Runs with what is bound; ``iobinding.get_outputs()`` has the results."""
        if not isinstance(iobinding, IOBinding):
            raise InvalidArgument(f"[run_with_iobinding] got {type(iobinding).__name__}, need an IOBinding")
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
    ) -> Stream:
        """Runs the model over a long signal, chunk by chunk.

        chunk_size: samples of the signal that one run sees, the overlap included; 0: whatever ``process`` is given.
        overlap: samples of the end of a chunk with which the next one begins.
        stateful: outputs that are states go into the next run's inputs; ``states`` maps output to input (found by name otherwise).
        input, axis: the signal's input ("": the only one that is neither state nor constant) and the dimension along which it runs.
        constants: inputs that stay the same (a sample rate).

        Raises ``InvalidArgument`` for sizes and names that do not fit the model.
        """
        return Stream(self, chunk_size, overlap, stateful, input, axis, states, constants)

    # ---- looking inside -------------------------------------------------------------------------------------------
    @property
    def cached(self) -> bool:
        """Whether the compiled model was found in ``CompileOptions.cache_dir``."""
        return self._session.from_cache

    def passes(self) -> list[PassReport]:
        """What the optimiser did, pass by pass; an empty list when the model was ``cached``."""
        return [PassReport(*report) for report in self._session.passes()]

    def memory(self) -> dict[str, int]:
        """Bytes: in_use (held by tensors), kept (free blocks), peak, limit (0: none)."""
        return self._session.memory()

    def trim_memory(self) -> None:
        """Gives free blocks back to the system."""
        self._session.trim_memory()

    def optimized_text(self, max_elements: int = 16) -> str:
        """The graph as it runs, in ONNX's text form; constants of more elements are abbreviated."""
        return self._session.optimized_text(max_elements)

    def end_profiling(self) -> str:
        """Writes the runs recorded so far (``enable_profiling``) as a Chrome trace, for Perfetto, and returns its path.

        Raises ``InvalidArgument`` when nothing is recorded, ``OSError`` when the file cannot be written.
        """
        path = f"{self._options.profile_file_prefix}{time.strftime('%Y-%m-%d_%H-%M-%S')}_{os.getpid()}.json"
        text = self._session.profile_json()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path
