"""pyflame_rt: loads, optimises and runs ONNX models.

Ordinary ONNX Runtime code needs one changed line: ``import pyflame_rt as ort``.
"""

from . import benchmark, errors
from ._core import NodeArg, available_devices, version
from .errors import Cancelled, Error, InternalError, InvalidArgument, IoError, LimitExceeded, NotFound, Unsupported
from .options import CompileOptions, ExecutionMode, GraphOptimizationLevel, OptLevel, RunOptions, SessionOptions
from .session import InferenceSession, ModelMetadata, Profile, Stream
from .values import IOBinding, OrtValue

__version__ = version()


def get_available_providers() -> list[str]:
    """Providers that this build and machine serve."""
    return ["CPUExecutionProvider"]


def get_device() -> str:
    return "CPU"


__all__ = [
    "Cancelled", "CompileOptions", "Error", "ExecutionMode", "GraphOptimizationLevel", "IOBinding", "InferenceSession", "InternalError",
    "InvalidArgument", "IoError", "LimitExceeded", "ModelMetadata", "NodeArg", "NotFound", "OptLevel", "OrtValue", "Profile",
    "RunOptions", "SessionOptions", "Stream", "Unsupported", "available_devices", "benchmark", "errors", "get_available_providers",
    "get_device", "version",
]
