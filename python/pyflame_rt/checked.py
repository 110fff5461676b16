"""Attributes that are checked when they are set: a wrong name or value fails where it is written, not later or never."""

from __future__ import annotations

import difflib
from typing import Any, Callable, ClassVar

from .errors import InvalidArgument


def integer(least: int, most: int | None = None) -> Callable[[str, Any], int]:
    """An int (not a bool) in that range."""
    def check(what: str, value: Any) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise InvalidArgument(f"{what}; got {value!r}, need an int")
        number = int(value.__index__())
        if number < least or (most is not None and number > most):
            raise InvalidArgument(f"{what}; got {number}, need " + (f"at least {least}" if most is None else f"{least} to {most}"))
        return number

    return check


def boolean(what: str, value: Any) -> bool:
    """True or False, NumPy's as well."""
    if not isinstance(value, (bool, int)) and type(value).__name__ not in ("bool_", "bool"):  # NumPy's own as well
        raise InvalidArgument(f"{what}; got {value!r}, need True or False")
    return bool(value)


def text(what: str, value: Any) -> str:
    """A str."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{what}; got {value!r}, need a str")
    return value


def texts(what: str, value: Any) -> list[str]:
    """A list of str."""
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise InvalidArgument(f"{what}; got {value!r}, need a list of str")
    return list(value)


def seconds(what: str, value: Any) -> float | None:
    """Seconds, or None."""
    if value is None:
        return None
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__") or not float(value) >= 0:
        raise InvalidArgument(f"{what}; got {value!r}, need seconds (at least 0) or None")
    return float(value)


def member(kind: type) -> Callable[[str, Any], Any]:
    """A member of an enumeration, or its number."""

    def check(what: str, value: Any) -> Any:
        try:
            return kind(value)
        except ValueError:
            names = ", ".join(f"{kind.__name__}.{item.name}" for item in kind)  # type: ignore[attr-defined]
            raise InvalidArgument(f"{what}; got {value!r}, need one of {names}") from None

    return check


class Checked:
    """Attributes named in ``_CHECKS`` take what their check lets through; properties do as they say; others do not exist."""

    _CHECKS: ClassVar[dict[str, Callable[[str, Any], Any]]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if name in kind._CHECKS:
            value = kind._CHECKS[name](f"[{kind.__name__}] {name}", value)
        elif not name.startswith("_") and not isinstance(getattr(kind, name, None), property):
            known = [*kind._CHECKS, *(key for key in dir(kind) if isinstance(getattr(kind, key), property))]
            near = difflib.get_close_matches(name, known, 1)
            raise AttributeError(f"[{kind.__name__}] there is no attribute '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        object.__setattr__(self, name, value)
