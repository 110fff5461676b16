"""pyflame_rt: loads, optimises and runs ONNX models.

Ordinary ONNX Runtime code needs one changed line: ``import pyflame_rt as ort``. docs/from_onnxruntime.md has the table of what is
the same, different and absent.
"""

from . import benchmark, errors
from ._core import NodeArg, available_devices, version
from .benchmark import Benchmark
from .enums import ExecutionMode, GraphOptimizationLevel, OptLevel
from .errors import Cancelled, Error, InternalError, InvalidArgument, IoError, LimitExceeded, NotFound, Unsupported
from .logs import set_default_logger_severity
from .options import CompileOptions, RunOptions, SessionOptions
from .providers import get_all_providers, get_available_providers, get_device
from .reports import ModelMetadata, Operation, PassReport, Profile
from .session import InferenceSession
from .stream import Stream
from .values import IOBinding, OrtValue

__version__ = version()


def get_version_string() -> str:
    """The version of this package."""
    return version()


def get_build_info() -> str:
    """One line about this build."""
    return f"pyflame_rt {version()}, devices: {', '.join(available_devices())}"


__all__ = [
    "Benchmark", "Cancelled", "CompileOptions", "Error", "ExecutionMode", "GraphOptimizationLevel", "IOBinding", "InferenceSession",
    "InternalError", "InvalidArgument", "IoError", "LimitExceeded", "ModelMetadata", "NodeArg", "NotFound", "Operation", "OptLevel",
    "OrtValue", "PassReport", "Profile", "RunOptions", "SessionOptions", "Stream", "Unsupported", "available_devices", "benchmark",
    "errors", "get_all_providers", "get_available_providers", "get_build_info", "get_device", "get_version_string",
    "set_default_logger_severity", "version",
]
