"""ONNX Runtime's execution providers, and the device that each stands for here."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from . import _core
from .errors import InvalidArgument, Unsupported

_DEVICES = {
    "CerebrasExecutionProvider": "wse",
    "TensorrtExecutionProvider": "cuda",
    "CUDAExecutionProvider": "cuda",
    "CPUExecutionProvider": "cpu",
}


def get_all_providers() -> list[str]:
    """Providers that have a meaning here, served or not."""
    return list(_DEVICES)


def get_available_providers() -> list[str]:
    """Providers that this build and machine serve."""
    served = {device.split(":")[0] for device in _core.available_devices()}
    return [name for name, device in _DEVICES.items() if device in served]


def get_device() -> str:
    """The best device that this build and machine serve, in ONNX Runtime's spelling."""
    return _core.available_devices()[0].split(":")[0].upper()


def devices_of(providers: Sequence[Any], provider_options: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """The providers' devices, best first; the first one that serves is used.

    A provider is a name, or a pair of name and options. Of options, only CUDA's ``device_id`` means something here.
    """
    if isinstance(providers, (str, bytes)) or not hasattr(providers, "__iter__"):
        raise InvalidArgument(f"[providers] got {providers!r}, need a list of names")
    providers = list(providers)
    if provider_options is not None and len(provider_options) != len(providers):
        raise InvalidArgument(f"[provider_options] got {len(provider_options)}, need one for each of the {len(providers)} providers")
    devices = []
    for i, provider in enumerate(providers):
        name, options = provider if isinstance(provider, (tuple, list)) and len(provider) == 2 else (provider, {})
        options = {**(options or {}), **((provider_options or [{}] * len(providers))[i] or {})}
        if name not in _DEVICES:
            raise Unsupported(f"[providers] got {name!r}, need one of {', '.join(_DEVICES)}")
        device = _DEVICES[name]
        if device == "cuda":
            device = f"cuda:{options.pop('device_id', 0)}"
        elif options:
            raise Unsupported(f"[providers] options of {name}; got {', '.join(map(str, options))}: it has none here")
        devices.append(device)
    return devices
