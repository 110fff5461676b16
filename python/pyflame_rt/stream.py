"""A signal, run chunk by chunk through a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from . import _core
from .errors import InvalidArgument
from .options import RunOptions
from .values import plain

if TYPE_CHECKING:
    from .session import InferenceSession


class Stream:
    """A signal under way: ``InferenceSession.create_stream`` makes one. One thread at a time; it keeps its session alive."""

    def __init__(
        self,
        session: InferenceSession,
        chunk_size: int = 0,
        overlap: int = 0,
        stateful: bool = True,
        input: str = "",
        axis: int = -1,
        states: Mapping[str, str] | None = None,
        constants: Mapping[str, Any] | None = None,
    ):
        for name, value in (("chunk_size", chunk_size), ("overlap", overlap), ("axis", axis)):
            if isinstance(value, bool) or not hasattr(value, "__index__"):
                raise InvalidArgument(f"[Stream] {name}; got {value!r}, need an int")
        for what, table in (("states", states), ("constants", constants)):
            if table is not None and (not isinstance(table, Mapping) or not all(isinstance(name, str) for name in table)):
                raise InvalidArgument(f"[Stream] {what}; got {table!r}, need a dict with names of the model")
        if not all(isinstance(name, str) for name in (states or {}).values()):
            raise InvalidArgument(f"[Stream] states; got {states!r}, need names: state output -> state input")
        feeds = {name: plain(value) for name, value in (constants or {}).items()}
        self._stream = _core.Stream(session._session, chunk_size, overlap, bool(stateful), input, axis, dict(states or {}), feeds)
        self._type = next(port.type for port in session._session.inputs if port.name == self._stream.input)

    def process(self, samples: Any, run_options: RunOptions | None = None) -> list[dict[str, Any]]:
        """Adds samples and runs every chunk that is full: one dict a chunk, output name -> array, states left out.

        samples: an array of the signal's dtype with any number of samples along its axis; a plain signal may have rank 1. Any number
        of results comes back, none as well: what does not fill a chunk waits for the next call.
        Raises ``InvalidArgument`` for another dtype, rank or size; after the error of a run, ``reset`` begins anew.
        """
        if samples is None:
            raise InvalidArgument("[Stream] samples; got None, need an array")
        token, timeout = _limits(run_options)
        return self._stream.process(plain(samples), self._type, token, timeout)

    def flush(self, run_options: RunOptions | None = None) -> list[dict[str, Any]]:
        """Runs what is left, padded with zeros to a chunk; an empty list when nothing is."""
        token, timeout = _limits(run_options)
        return self._stream.flush(token, timeout)

    def reset(self) -> None:
        """Forgets the signal: states to zero, waiting samples dropped."""
        self._stream.reset()

    @property
    def input(self) -> str:
        """The input that takes the signal."""
        return self._stream.input

    @property
    def states(self) -> dict[str, str]:
        """State output -> state input, as they are carried from chunk to chunk."""
        return dict(self._stream.states)


def _limits(run_options: RunOptions | None) -> tuple[_core.CancelToken | None, float | None]:
    return (None, None) if run_options is None else (run_options._token, run_options.timeout)
