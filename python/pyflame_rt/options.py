"""What a session and a run are told. ``SessionOptions`` and ``RunOptions`` also take ONNX Runtime's attributes."""

from __future__ import annotations

import enum
from typing import Any, Mapping, Sequence

from . import _core
from .errors import InvalidArgument, Unsupported


class OptLevel(enum.IntEnum):
    """How much a model is rewritten before it runs."""

    NONE = 0
    BASIC = 1
    EXTENDED = 2
    ALL = 3


class GraphOptimizationLevel(enum.IntEnum):
    """ONNX Runtime's names (and numbers) of the levels."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """ONNX Runtime's names. Nodes run in order; threads are used within a node."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


_LEVELS = {
    GraphOptimizationLevel.ORT_DISABLE_ALL: OptLevel.NONE,
    GraphOptimizationLevel.ORT_ENABLE_BASIC: OptLevel.BASIC,
    GraphOptimizationLevel.ORT_ENABLE_EXTENDED: OptLevel.EXTENDED,
    GraphOptimizationLevel.ORT_ENABLE_LAYOUT: OptLevel.ALL,
    GraphOptimizationLevel.ORT_ENABLE_ALL: OptLevel.ALL,
}


class CompileOptions:
    """Fixes what a model leaves open, before anything is optimised.

    input_shapes: input name -> sizes; -1 or None keeps a dimension dynamic.
    dynamic_batch: keep the first dimension of every input of ``input_shapes`` dynamic.
    """

    def __init__(self, input_shapes: Mapping[str, Sequence[int | None]] | None = None, dynamic_batch: bool = False):
        self.input_shapes = {name: [-1 if size is None else int(size) for size in sizes] for name, sizes in (input_shapes or {}).items()}
        self.dynamic_batch = bool(dynamic_batch)

    def _core(self) -> _core.CompileOptions:
        made = _core.CompileOptions()
        shapes = {}
        for name, sizes in self.input_shapes.items():
            shapes[name] = [-1, *sizes[1:]] if self.dynamic_batch and sizes else list(sizes)
        made.input_shapes = shapes
        return made


class SessionOptions:
    """Options of a session.

    device: "cpu"; a device that this build or machine lacks raises ``Unsupported`` unless ``fallback`` names one that serves.
    num_threads: 0 is one per core that this process may use.
    optimization_level: an ``OptLevel``.
    disabled_passes: names of passes to leave out (``session.passes()`` lists them).
    enable_profiling: record every run; ``session.end_profiling()`` writes a Chrome trace.
    memory_limit_mb: bytes of tensors of all runs at one time; 0 is no limit.
    enable_memory_reuse: keep blocks between runs.
    execution_mode: "sequential"; nodes run in order, threads are used within a node.

    ONNX Runtime's attributes: ``intra_op_num_threads``, ``graph_optimization_level``, ``execution_mode``,
    ``enable_mem_reuse``, ``enable_cpu_mem_arena``, ``profile_file_prefix``, ``optimized_model_filepath`` (refused),
    ``add_free_dimension_override_by_name``, ``log_severity_level``.
    """

    def __init__(
        self,
        device: str = "cpu",
        num_threads: int = 0,
        enable_profiling: bool = False,
        memory_limit_mb: int = 0,
        execution_mode: str | ExecutionMode = "sequential",
        optimization_level: OptLevel = OptLevel.ALL,
        enable_memory_reuse: bool = True,
        fallback: Sequence[str] = (),
        disabled_passes: Sequence[str] = (),
    ):
        self.device = device
        self.num_threads = num_threads
        self.enable_profiling = enable_profiling
        self.memory_limit_mb = memory_limit_mb
        self.execution_mode = execution_mode
        self.optimization_level = OptLevel(optimization_level)
        self.enable_memory_reuse = enable_memory_reuse
        self.fallback = list(fallback)
        self.disabled_passes = list(disabled_passes)
        self.profile_file_prefix = "pyflame_rt_profile_"
        self._free_dimensions: dict[str, int] = {}
        self._custom: dict[tuple[str, str], Any] = {}

    # ---- ONNX Runtime's names -------------------------------------------------------------------------------------
    @property
    def intra_op_num_threads(self) -> int:
        return self.num_threads

    @intra_op_num_threads.setter
    def intra_op_num_threads(self, value: int) -> None:
        self.num_threads = value

    @property
    def inter_op_num_threads(self) -> int:
        return 1

    @inter_op_num_threads.setter
    def inter_op_num_threads(self, value: int) -> None:
        if value not in (0, 1):
            raise Unsupported("[SessionOptions] inter_op_num_threads; got {}, need 0 or 1: nodes run in order".format(value))

    @property
    def graph_optimization_level(self) -> GraphOptimizationLevel:
        return {
            OptLevel.NONE: GraphOptimizationLevel.ORT_DISABLE_ALL,
            OptLevel.BASIC: GraphOptimizationLevel.ORT_ENABLE_BASIC,
            OptLevel.EXTENDED: GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
            OptLevel.ALL: GraphOptimizationLevel.ORT_ENABLE_ALL,
        }[self.optimization_level]

    @graph_optimization_level.setter
    def graph_optimization_level(self, value: GraphOptimizationLevel) -> None:
        self.optimization_level = _LEVELS[GraphOptimizationLevel(value)]

    @property
    def enable_mem_reuse(self) -> bool:
        return self.enable_memory_reuse

    @enable_mem_reuse.setter
    def enable_mem_reuse(self, value: bool) -> None:
        self.enable_memory_reuse = bool(value)

    enable_cpu_mem_arena = enable_mem_reuse

    @property
    def execution_mode(self) -> ExecutionMode:
        return ExecutionMode.ORT_SEQUENTIAL

    @execution_mode.setter
    def execution_mode(self, value: str | ExecutionMode) -> None:
        if value in ("parallel", ExecutionMode.ORT_PARALLEL):
            raise Unsupported("[SessionOptions] execution_mode 'parallel': nodes run in order, threads are used within a node")
        if value not in ("sequential", ExecutionMode.ORT_SEQUENTIAL):
            raise InvalidArgument(f"[SessionOptions] execution_mode; got {value!r}, need 'sequential'")

    @property
    def optimized_model_filepath(self) -> str:
        return ""

    @optimized_model_filepath.setter
    def optimized_model_filepath(self, value: str) -> None:
        if value:
            raise Unsupported("[SessionOptions] optimized_model_filepath: use `flame convert MODEL OUT` instead")

    def add_free_dimension_override_by_name(self, name: str, size: int) -> None:
        """Fixes every dimension with this symbol."""
        self._free_dimensions[name] = int(size)

    def add_session_config_entry(self, key: str, value: str) -> None:
        raise Unsupported(f"[SessionOptions] config entry '{key}': pyflame_rt has no such setting")

    def register_custom_ops_library(self, path: str) -> None:
        raise Unsupported("[SessionOptions] libraries of ONNX Runtime custom operators; give Python functions to register_custom_op")

    # ---- custom operators -----------------------------------------------------------------------------------------
    def register_custom_op(self, op_type: str, function: Any, domain: str = "") -> None:
        """Serves nodes ``domain``.``op_type`` by ``function(*inputs, **attributes)``: arrays in, an array or a tuple of arrays out."""
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
        made.enable_memory_reuse = self.enable_memory_reuse
        return made


class RunOptions:
    """Options of one run. ``terminate = True``, set from another thread, ends it with ``Cancelled``; ``timeout`` is in seconds."""

    def __init__(self, timeout: float | None = None):
        self.timeout = timeout
        self._token = _core.CancelToken()

    @property
    def terminate(self) -> bool:
        return self._token.cancelled

    @terminate.setter
    def terminate(self, value: bool) -> None:
        if value:
            self._token.cancel()
        elif self._token.cancelled:
            self._token = _core.CancelToken()
