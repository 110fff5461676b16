"""The exceptions of pyflame_rt. Each text reads ``[where] what; got X, need Y``."""


class Error(RuntimeError):
    """Everything that pyflame_rt raises on its own."""


class InvalidArgument(Error, ValueError):
    """A name, type, shape or value that does not fit; a model that breaks its format."""


class NotFound(Error, FileNotFoundError):
    """No such file, input or output."""


class Unsupported(Error, NotImplementedError):
    """Well formed, but nothing here serves it: an operator, a device, a provider."""


class LimitExceeded(Error):
    """``memory_limit_mb``, a deadline or another named limit."""


class IoError(Error, OSError):
    """The operating system said no."""


class Cancelled(Error):
    """The run was cancelled by its caller."""


class InternalError(Error):
    """A fault of pyflame_rt itself: please report it."""
