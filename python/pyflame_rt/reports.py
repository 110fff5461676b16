"""What a session tells about itself and its runs."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Operation:
    """One node of a profiled run. ``percentage`` is of the sum over all operations."""

    name: str
    op_type: str
    duration_us: float
    percentage: float


@dataclasses.dataclass
class Profile:
    """A profiled run: its operations in the order they ran, its wall time, its outputs."""

    operations: list[Operation]
    total_us: float
    outputs: list[Any]


@dataclasses.dataclass
class ModelMetadata:
    """What the model says about itself."""

    producer_name: str
    graph_name: str
    domain: str
    description: str
    graph_description: str
    version: int
    custom_metadata_map: dict[str, str]


@dataclasses.dataclass
class PassReport:
    """What one pass of the optimiser did, and how long it took."""

    name: str
    changes: int
    time_us: float
    disabled: bool
