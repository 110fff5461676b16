"""``OrtValue`` and ``IOBinding``: ONNX Runtime's way of holding values, over NumPy arrays in host memory."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from . import _core
from .errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from .options import RunOptions
    from .session import InferenceSession


def _check_device(what: str, device: str) -> None:
    if device.lower() != "cpu":
        raise Unsupported(f"[{what}] device; got {device!r}, need 'cpu': values lie in host memory")


def _dtype(element_type: Any) -> np.dtype:
    """From NumPy's types and ONNX's numbers."""
    return _core.dtype_of(element_type) if isinstance(element_type, int) else np.dtype(element_type)


def _array_at(element_type: Any, shape: Sequence[int], pointer: int) -> np.ndarray:
    """An array over memory that the caller keeps alive."""
    dtype = _dtype(element_type)
    count = int(np.prod(shape, dtype=np.int64))
    if count == 0:
        return np.empty(shape, dtype)
    if not pointer:
        raise InvalidArgument("[IOBinding] buffer_ptr; got 0, need the address of the elements")
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(pointer)
    return np.frombuffer(memoryview(memory).cast("B"), np.uint8).view(dtype).reshape(shape)


def plain(value: Any) -> Any:
    """What an ``OrtValue`` holds; anything else as it is."""
    return value._value if isinstance(value, OrtValue) else value


class OrtValue:
    """A value of a run in host memory: a NumPy array, a list (a sequence) or a dict (a map). It shares the array that it is made of."""

    def __init__(self, value: Any):
        self._value = value

    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device_type: str = "cpu", device_id: int = 0) -> OrtValue:
        """Holds ``array``. Raises ``Unsupported`` for a device other than "cpu"."""
        _check_device("OrtValue", device_type)
        return OrtValue(np.asarray(array))

    @staticmethod
    def ortvalue_from_numpy_with_onnx_type(data: np.ndarray, onnx_element_type: int) -> OrtValue:
        """Takes the bits of ``data`` for elements of another type of the same size: uint16 for bfloat16 (16)."""
        dtype = _core.dtype_of(onnx_element_type)
        if dtype.itemsize != data.dtype.itemsize:
            raise InvalidArgument(f"[OrtValue] elements of {data.dtype.itemsize} bytes; got {data.dtype}, need {dtype.itemsize} bytes as {dtype} has")
        return OrtValue(np.ascontiguousarray(data).view(dtype))

    @staticmethod
    def ortvalue_from_shape_and_type(shape: Sequence[int], element_type: Any, device_type: str = "cpu", device_id: int = 0) -> OrtValue:
        """An uninitialised tensor; ``element_type`` is NumPy's, or ONNX's number."""
        _check_device("OrtValue", device_type)
        return OrtValue(np.empty(tuple(shape), _dtype(element_type)))

    @staticmethod
    def from_dlpack(data: Any) -> OrtValue:
        """Shares the host memory of another library's tensor."""
        return OrtValue(np.from_dlpack(data))

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.numpy().__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.numpy().__dlpack_device__()

    def numpy(self) -> np.ndarray:
        """The tensor itself, no copy. Raises ``InvalidArgument`` when this is no tensor."""
        if not isinstance(self._value, np.ndarray):
            raise InvalidArgument(f"[OrtValue] got a {type(self._value).__name__}, need a tensor")
        return self._value

    def update_inplace(self, data: np.ndarray) -> None:
        """Copies ``data``, of the same shape and dtype, into this tensor."""
        array = self.numpy()
        if array.shape != data.shape or array.dtype != data.dtype:
            raise InvalidArgument(f"[OrtValue] got {data.dtype}{list(data.shape)}, need {array.dtype}{list(array.shape)}")
        np.copyto(array, data)

    def shape(self) -> list[int]:
        """Sizes of the tensor."""
        return list(self.numpy().shape)

    def element_type(self) -> int:
        """ONNX's number of the tensor's element type (1: float)."""
        return _core.element_type_of(self.numpy().dtype)

    def data_type(self) -> str:
        """``tensor(float)`` and so on."""
        return f"tensor({_core.element_type_name(self.element_type())})"

    def tensor_size_in_bytes(self) -> int:
        """Bytes of the tensor's elements."""
        return self.numpy().nbytes

    def data_ptr(self) -> int:
        """Address of the first element."""
        return self.numpy().ctypes.data

    def device_name(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def has_value(self) -> bool:
        """False for an absent optional."""
        return self._value is not None

    def is_tensor(self) -> bool:
        """Whether ``numpy()`` gives one."""
        return isinstance(self._value, np.ndarray)

    def is_tensor_sequence(self) -> bool:
        """Whether this is a list of tensors."""
        return isinstance(self._value, list)

    def is_sparse_tensor(self) -> bool:
        """Always False: results are dense."""
        return False


class IOBinding:
    """Values bound by name for ``run_with_iobinding``. An output bound to memory receives its value by a copy."""

    def __init__(self, session: InferenceSession):
        self._session = session
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, np.ndarray | None] = {}
        self._results: dict[str, Any] = {}

    def _check(self, name: str, ports: Sequence[_core.NodeArg], kind: str) -> None:
        names = [port.name for port in ports]
        if name not in names:
            raise InvalidArgument(f"[IOBinding] no {kind} is called {name!r}; the {kind}s are: {', '.join(names)}")

    def _bind_input(self, name: str, value: Any) -> None:
        self._check(name, [*self._session.get_inputs(), *self._session.get_overridable_initializers()], "input")
        self._inputs[name] = value

    def bind_cpu_input(self, name: str, arr_on_cpu: np.ndarray) -> None:
        """Binds an array; it is read when the binding runs."""
        self._bind_input(name, arr_on_cpu)

    def bind_input(self, name: str, device_type: str, device_id: int, element_type: Any, shape: Sequence[int], buffer_ptr: int) -> None:
        """Binds host memory by its address; the caller keeps it alive."""
        _check_device("IOBinding", device_type)
        self._bind_input(name, _array_at(element_type, shape, buffer_ptr))

    def bind_ortvalue_input(self, name: str, ortvalue: OrtValue) -> None:
        """Binds what an ``OrtValue`` holds."""
        self._bind_input(name, plain(ortvalue))

    def bind_output(
        self, name: str, device_type: str = "cpu", device_id: int = 0, element_type: Any = None, shape: Sequence[int] | None = None, buffer_ptr: int | None = None
    ) -> None:
        """Asks for an output: in memory of its own, or copied to ``buffer_ptr``, which the caller keeps alive."""
        _check_device("IOBinding", device_type)
        self._check(name, self._session.get_outputs(), "output")
        if buffer_ptr is not None and (element_type is None or shape is None):
            raise InvalidArgument(f"[IOBinding] output {name!r}; got a buffer_ptr, need its element_type and shape as well")
        self._outputs[name] = None if buffer_ptr is None else _array_at(element_type, shape or (), buffer_ptr)

    def bind_ortvalue_output(self, name: str, ortvalue: OrtValue) -> None:
        """Asks for an output, copied into the tensor that ``ortvalue`` holds."""
        self._check(name, self._session.get_outputs(), "output")
        self._outputs[name] = ortvalue.numpy()

    def clear_binding_inputs(self) -> None:
        """Forgets the bound inputs."""
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        """Forgets the bound outputs and what they received."""
        self._outputs.clear()
        self._results.clear()

    def synchronize_inputs(self) -> None:
        """Nothing to wait for: values lie in host memory."""

    def synchronize_outputs(self) -> None:
        """Nothing to wait for: values lie in host memory."""

    def _run(self, run_options: RunOptions | None) -> None:
        names = list(self._outputs) or [port.name for port in self._session.get_outputs()]
        results = self._session.run(names, self._inputs, run_options)
        self._results = {}
        for name, result in zip(names, results):
            room = self._outputs.get(name)
            if room is not None:
                if room.shape != result.shape or room.dtype != result.dtype:
                    raise InvalidArgument(
                        f"[IOBinding] memory bound to output {name!r}; got {room.dtype}{list(room.shape)}, need {result.dtype}{list(result.shape)}"
                    )
                np.copyto(room, result)
                result = room
            self._results[name] = result

    def get_outputs(self) -> list[OrtValue]:
        """What the last run made, in the order of binding."""
        return [OrtValue(value) for value in self._results.values()]

    def copy_outputs_to_cpu(self) -> list[Any]:
        """What the last run made, as arrays, in the order of binding."""
        return list(self._results.values())
