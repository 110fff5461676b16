"""What a session and a run are told. ``SessionOptions`` and ``RunOptions`` also take ONNX Runtime's attributes."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from . import _core
from .checked import Checked, boolean, integer, member, seconds, text, texts
from .enums import LEVEL_OF, ORT_LEVEL_OF, ExecutionMode, GraphOptimizationLevel, OptLevel
from .errors import InvalidArgument, Unsupported

_POOLS = ("default", "arena", "custom")
_PRECISIONS = ("float32", "bfloat16")


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def check(what: str, value: Any) -> str:
        if value not in words:
            raise InvalidArgument(f"{what}; got {value!r}, need one of {', '.join(map(repr, words))}")
        return value

    return check


def _function(what: str, value: Any) -> Any:
    if value is not None and not callable(value):
        raise InvalidArgument(f"{what}; got {type(value).__name__}, need a function")
    return value


class CompileOptions:
    """What is settled before a model is optimised.

    cache_dir: a folder, made when it is missing, where the compiled model is kept. The next session of the same model, options, build
        and processor maps it instead of compiling; ``session.cached`` says so. A file there that is broken is made again. None: no cache.
    input_shapes: input name -> sizes that the model leaves open; -1 or None keeps a dimension open. Each input keeps its rank.
    dynamic_batch: keep the first dimension of every input of ``input_shapes`` (of every input when there are none) open.
    cache_limit_mb: of all compiled models in cache_dir together; 0: no limit. A new one that makes them more removes those that were not
        used for longest.

    Raises ``InvalidArgument`` for sizes that are none; when the session is made, for names the model lacks.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike | None = None,
        input_shapes: Mapping[str, Sequence[int | None]] | None = None,
        dynamic_batch: bool = False,
        cache_limit_mb: int = 4096,
    ):
        if cache_dir is not None and not isinstance(cache_dir, (str, os.PathLike)):
            raise InvalidArgument(f"[CompileOptions] cache_dir; got {type(cache_dir).__name__}, need the path of a folder")
        self.cache_dir = "" if cache_dir is None else os.fspath(cache_dir)
        self.input_shapes: dict[str, list[int]] = {}
        if input_shapes is not None and not isinstance(input_shapes, Mapping):
            raise InvalidArgument(f"[CompileOptions] input_shapes; got {type(input_shapes).__name__}, need a dict: input name -> sizes")
        for name, sizes in (input_shapes or {}).items():
            what = f"[CompileOptions] input_shapes['{name}']"
            if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
                raise InvalidArgument(f"{what}; got {sizes!r}, need a list of sizes")
            self.input_shapes[name] = [-1 if size is None else integer(-1)(what, size) for size in sizes]
        self.dynamic_batch = boolean("[CompileOptions] dynamic_batch", dynamic_batch)
        self.cache_limit_mb = integer(0, 1 << 40)("[CompileOptions] cache_limit_mb", cache_limit_mb)

    def _core(self) -> _core.CompileOptions:
        made = _core.CompileOptions()
        made.input_shapes = self.input_shapes
        made.dynamic_batch = self.dynamic_batch
        made.cache_dir = self.cache_dir
        made.cache_limit_mb = self.cache_limit_mb
        return made


class SessionOptions(Checked):
    """Options of a session, read once when it is made.

    device: "cpu". Another one ("wse", "wse2", "wse3", "cuda:N") raises ``Unsupported`` where this build or machine lacks it,
        unless ``fallback`` lists one that serves.
    num_threads: 0 is one per core that this process may use.
    optimization_level: an ``OptLevel``.
    disabled_passes: names of passes to leave out (``session.passes()`` lists them).
    enable_profiling: record every run; ``session.end_profiling()`` writes a Chrome trace.
    memory_limit_mb: of tensors of all runs at one time; past it a run ends with ``LimitExceeded``. 0: no limit.
    memory_pool: "default" keeps blocks for the next run and gives back what a run did not need; "arena" keeps all until
        ``session.trim_memory()`` or the session's end; "custom" takes them from ``allocator``.
    allocator: with "custom", a function (bytes: int) -> a writable buffer of at least as many bytes (a bytearray, a NumPy array,
        an mmap …), or None when there is no more. The buffer is let go when the last tensor in it is.
    enable_memory_reuse: False gives all blocks back after each run.
    precision: "float32"; "bfloat16" rounds the factors of convolutions and matrix products, which is faster where the processor
        multiplies them and less exact. Inputs, outputs and sums are float32 always. Needs ``OptLevel.ALL``.
    execution_mode: "sequential": nodes run in order, threads are used within a node.

    ONNX Runtime's attributes: ``intra_op_num_threads``, ``inter_op_num_threads``, ``graph_optimization_level``, ``execution_mode``,
    ``enable_mem_reuse``, ``enable_cpu_mem_arena``, ``enable_mem_pattern``, ``profile_file_prefix``, ``log_severity_level``, ``logid`` …
    docs/from_onnxruntime.md says what each means here. A name that is neither raises ``AttributeError``.
    """

    device: str
    num_threads: int
    enable_profiling: bool
    memory_limit_mb: int
    optimization_level: OptLevel
    enable_memory_reuse: bool
    memory_pool: str
    precision: str
    allocator: Callable[[int], Any] | None
    fallback: list[str]
    disabled_passes: list[str]
    profile_file_prefix: str
    log_severity_level: int
    logid: str
    inter_op_num_threads: int
    enable_cpu_mem_arena: bool
    enable_mem_pattern: bool
    use_deterministic_compute: bool

    _CHECKS = {
        "device": text,
        "num_threads": integer(0, 1 << 20),
        "enable_profiling": boolean,
        "memory_limit_mb": integer(0, 1 << 40),
        "optimization_level": member(OptLevel),
        "enable_memory_reuse": boolean,
        "memory_pool": _one_of(*_POOLS),
        "precision": _one_of(*_PRECISIONS),
        "allocator": _function,
        "fallback": texts,
        "disabled_passes": texts,
        "profile_file_prefix": text,
        "log_severity_level": integer(-1, 4),
        "logid": text,
        "inter_op_num_threads": integer(0),
        "enable_cpu_mem_arena": boolean,
        "enable_mem_pattern": boolean,
        "use_deterministic_compute": boolean,
    }

    def __init__(
        self,
        device: str = "cpu",
        num_threads: int = 0,
        enable_profiling: bool = False,
        memory_limit_mb: int = 0,
        execution_mode: str | ExecutionMode = "sequential",
        optimization_level: OptLevel = OptLevel.ALL,
        enable_memory_reuse: bool = True,
        memory_pool: str = "default",
        allocator: Callable[[int], Any] | None = None,
        precision: str = "float32",
        fallback: Sequence[str] = (),
        disabled_passes: Sequence[str] = (),
    ):
        self.device = device
        self.num_threads = num_threads
        self.enable_profiling = enable_profiling
        self.memory_limit_mb = memory_limit_mb
        self.execution_mode = execution_mode
        self.optimization_level = optimization_level
        self.enable_memory_reuse = enable_memory_reuse
        self.memory_pool = memory_pool
        self.allocator = allocator
        self.precision = precision
        self.fallback = fallback  # type: ignore[assignment]
        self.disabled_passes = disabled_passes  # type: ignore[assignment]
        self.profile_file_prefix = "pyflame_rt_profile_"
        self.log_severity_level = -1
        self.logid = ""
        self.inter_op_num_threads = 0
        self.enable_cpu_mem_arena = True
        self.enable_mem_pattern = True
        self.use_deterministic_compute = False
        self._free_dimensions: dict[str, int] = {}
        self._custom: dict[tuple[str, str], Any] = {}

    # ---- ONNX Runtime's names -------------------------------------------------------------------------------------
    @property
    def intra_op_num_threads(self) -> int:
        """``num_threads``."""
        return self.num_threads

    @intra_op_num_threads.setter
    def intra_op_num_threads(self, value: int) -> None:
        self.num_threads = value

    @property
    def graph_optimization_level(self) -> GraphOptimizationLevel:
        """``optimization_level`` in ONNX Runtime's words."""
        return ORT_LEVEL_OF[self.optimization_level]

    @graph_optimization_level.setter
    def graph_optimization_level(self, value: GraphOptimizationLevel) -> None:
        self.optimization_level = LEVEL_OF[member(GraphOptimizationLevel)("[SessionOptions] graph_optimization_level", value)]

    @property
    def enable_mem_reuse(self) -> bool:
        """``enable_memory_reuse``."""
        return self.enable_memory_reuse

    @enable_mem_reuse.setter
    def enable_mem_reuse(self, value: bool) -> None:
        self.enable_memory_reuse = value

    @property
    def execution_mode(self) -> ExecutionMode:
        """Always ORT_SEQUENTIAL; "parallel" is refused."""
        return ExecutionMode.ORT_SEQUENTIAL

    @execution_mode.setter
    def execution_mode(self, value: str | ExecutionMode) -> None:
        if value in ("parallel", ExecutionMode.ORT_PARALLEL):
            raise Unsupported("[SessionOptions] execution_mode; got 'parallel', need 'sequential': nodes run in order, threads are used within a node (num_threads)")
        if value not in ("sequential", ExecutionMode.ORT_SEQUENTIAL):
            raise InvalidArgument(f"[SessionOptions] execution_mode; got {value!r}, need 'sequential'")

    @property
    def optimized_model_filepath(self) -> str:
        """Always ""; a path is refused."""
        return ""

    @optimized_model_filepath.setter
    def optimized_model_filepath(self, value: str) -> None:
        if value:
            raise Unsupported(f"[SessionOptions] optimized_model_filepath; got {value!r}, need '': `flame convert MODEL OUT` writes models")

    @property
    def use_per_session_threads(self) -> bool:
        """Always True: every session has threads of its own."""
        return True

    @use_per_session_threads.setter
    def use_per_session_threads(self, value: bool) -> None:
        if not value:
            raise Unsupported("[SessionOptions] use_per_session_threads; got False, need True: there are no threads that sessions share")

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Fixes every dimension of an input that has this symbol."""
        self._free_dimensions[text("[SessionOptions] symbol", name)] = integer(0)(f"[SessionOptions] size of '{name}'", size)

    def add_session_config_entry(self, key: str, value: str) -> None:
        """Refused: there are no such settings here."""
        raise Unsupported(f"[SessionOptions] config entry '{key}': pyflame_rt has no such setting")

    def register_custom_ops_library(self, path: str) -> None:
        """Refused: such libraries are written against ONNX Runtime itself."""
        raise Unsupported(f"[SessionOptions] custom operators of {path!r} are ONNX Runtime's own; give Python functions to register_custom_op")

    # ---- custom operators -----------------------------------------------------------------------------------------
    def register_custom_op(self, op_type: str, function: Callable[..., Any], domain: str = "") -> None:
        """Serves nodes ``domain``.``op_type`` by ``function(*inputs, **attributes)``.

        Inputs are read-only views as NumPy arrays (None where a node leaves one out), attributes int, float, str, lists of these, or
        arrays. It returns one array, or a tuple of them, of the types that the model declares. An exception becomes the run's error.
        The function is called on the thread of the run, with the GIL held.
        """
        text("[SessionOptions] op_type", op_type)
        text("[SessionOptions] domain", domain)
        if not callable(function):
            raise InvalidArgument(f"[SessionOptions] custom operator {domain}.{op_type}; got {type(function).__name__}, need a function")
        self._custom[(domain, op_type)] = function

    def _core(self) -> _core.SessionOptions:
        made = _core.SessionOptions()
        made.device = self.device
        made.fallback = self.fallback
        made.num_threads = self.num_threads
        made.optimization_level = int(self.optimization_level)
        made.disabled_passes = self.disabled_passes
        made.enable_profiling = self.enable_profiling
        made.memory_limit_mb = self.memory_limit_mb
        made.enable_memory_reuse = self.enable_memory_reuse and self.enable_cpu_mem_arena
        made.memory_pool = _POOLS.index(self.memory_pool)
        made.precision = _PRECISIONS.index(self.precision)
        if self.allocator is not None:
            made.set_allocator(self.allocator)
        return made


class RunOptions(Checked):
    """Options of one run.

    terminate: set to True from another thread, it ends the runs that were given these options with ``Cancelled``.
    timeout: seconds, after which a run ends with ``LimitExceeded``; None: no limit.
    log_severity_level, logid: at level 0 a run logs how long it took.
    """

    timeout: float | None
    log_severity_level: int
    logid: str

    _CHECKS = {"timeout": seconds, "log_severity_level": integer(-1, 4), "logid": text}

    def __init__(self, timeout: float | None = None):
        self.timeout = timeout
        self.log_severity_level = -1
        self.logid = ""
        self._token = _core.CancelToken()

    @property
    def terminate(self) -> bool:
        """Whether the runs with these options end. Setting it to False makes the options fit for new runs."""
        return self._token.cancelled

    @terminate.setter
    def terminate(self, value: bool) -> None:
        if boolean("[RunOptions] terminate", value):
            self._token.cancel()
        elif self._token.cancelled:
            self._token = _core.CancelToken()

    @property
    def only_execute_path_to_fetches(self) -> bool:
        """Always False; True is refused."""
        return False

    @only_execute_path_to_fetches.setter
    def only_execute_path_to_fetches(self, value: bool) -> None:
        if value:
            raise Unsupported("[RunOptions] only_execute_path_to_fetches; got True, need False: a run computes every output")

    def add_run_config_entry(self, key: str, value: str) -> None:
        """Refused: there are no such settings here."""
        raise Unsupported(f"[RunOptions] config entry '{key}': pyflame_rt has no such setting")
