"""What sessions have to say, through Python's ``logging``: the logger ``pyflame_rt``.

ONNX Runtime's severities (0 verbose, 1 info, 2 warning, 3 error, 4 fatal) choose what a session hands to it.
"""

from __future__ import annotations

import atexit
import logging

from . import _core

VERBOSE, INFO, WARNING, ERROR, FATAL = range(5)
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)

logger = logging.getLogger("pyflame_rt")
_default_severity = WARNING


def set_default_logger_severity(severity: int) -> None:
    """For sessions and runs whose options leave ``log_severity_level`` at -1: 0 verbose, 1 info, 2 warning (the default), 3 error, 4 fatal."""
    from .checked import integer

    global _default_severity
    _default_severity = integer(0, 4)("[logger] severity", severity)


def log(wanted: int, severity: int, logid: str, message: str) -> None:
    """Logs ``message`` when its severity is at least ``wanted`` (-1: the default)."""
    if severity >= (_default_severity if wanted < 0 else wanted):
        logger.log(_LEVELS[severity], "%s%s", f"{logid}: " if logid else "", message)


def _from_core(level: int, message: str) -> None:
    log(-1, level, "", message)


_core.set_log(_from_core)
atexit.register(_core.set_log, None)
