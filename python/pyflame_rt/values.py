"""``OrtValue`` and ``IOBinding``: ONNX Runtime's way of holding values, over NumPy arrays in host memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InvalidArgument, Unsupported


def _check_device(device: str) -> None:
    if device != "cpu":
        raise Unsupported(f"[OrtValue] device '{device}': this build holds values in host memory, device 'cpu'")


class OrtValue:
    """A value of a run: a NumPy array, a list (sequence) or a dict (map)."""

    def __init__(self, value: Any):
        self._value = value

    @staticmethod
    def ortvalue_from_numpy(array: np.ndarray, device_type: str = "cpu", device_id: int = 0) -> "OrtValue":
        _check_device(device_type)
        return OrtValue(np.asarray(array))

    @staticmethod
    def ortvalue_from_shape_and_type(shape: list[int], element_type: Any, device_type: str = "cpu", device_id: int = 0) -> "OrtValue":
        _check_device(device_type)
        return OrtValue(np.empty(shape, element_type))

    def numpy(self) -> np.ndarray:
        if not isinstance(self._value, np.ndarray):
            raise InvalidArgument(f"[OrtValue] holds a {type(self._value).__name__}, no tensor")
        return self._value

    def shape(self) -> list[int]:
        return list(self.numpy().shape)

    def element_type(self) -> np.dtype:
        return self.numpy().dtype

    def data_ptr(self) -> int:
        return self.numpy().ctypes.data

    def device_name(self) -> str:
        return "cpu"

    def has_value(self) -> bool:
        return self._value is not None

    def is_tensor(self) -> bool:
        return isinstance(self._value, np.ndarray)

    def is_tensor_sequence(self) -> bool:
        return isinstance(self._value, list)


class IOBinding:
    """Values bound by name for ``run_with_iobinding``. A bound output array receives its output by a copy."""

    def __init__(self, session: Any):
        self._session = session
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, np.ndarray | None] = {}
        self._results: dict[str, Any] = {}

    def bind_cpu_input(self, name: str, array: np.ndarray) -> None:
        self._inputs[name] = array

    def bind_ortvalue_input(self, name: str, value: OrtValue) -> None:
        self._inputs[name] = value._value

    def bind_output(self, name: str, device_type: str = "cpu", device_id: int = 0, *unsupported: Any) -> None:
        _check_device(device_type)
        if unsupported:
            raise Unsupported("[IOBinding] outputs bound to raw pointers; bind an OrtValue")
        self._outputs[name] = None

    def bind_ortvalue_output(self, name: str, value: OrtValue) -> None:
        self._outputs[name] = value.numpy()

    def clear_binding_inputs(self) -> None:
        self._inputs.clear()

    def clear_binding_outputs(self) -> None:
        self._outputs.clear()
        self._results.clear()

    def synchronize_inputs(self) -> None:
        """Nothing to wait for: values lie in host memory."""

    def synchronize_outputs(self) -> None:
        """Nothing to wait for: values lie in host memory."""

    def _run(self, run_options: Any) -> None:
        names = list(self._outputs) or [port.name for port in self._session.get_outputs()]
        results = self._session.run(names, self._inputs, run_options)
        self._results = {}
        for name, result in zip(names, results):
            room = self._outputs.get(name)
            if room is not None:
                if room.shape != result.shape or room.dtype != result.dtype:
                    raise InvalidArgument(f"[IOBinding] output '{name}'; got room for {room.dtype}{list(room.shape)}, need {result.dtype}{list(result.shape)}")
                np.copyto(room, result)
                result = room
            self._results[name] = result

    def get_outputs(self) -> list[OrtValue]:
        return [OrtValue(value) for value in self._results.values()]

    def copy_outputs_to_cpu(self) -> list[Any]:
        return list(self._results.values())
