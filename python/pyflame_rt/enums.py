"""Levels and modes, under their own names and ONNX Runtime's."""

from __future__ import annotations

import enum


class OptLevel(enum.IntEnum):
    """How much a model is rewritten before it runs. Results agree between levels within rounding."""

    NONE = 0
    """As the model says, node by node."""
    BASIC = 1
    """Constants folded, dead and common nodes removed."""
    EXTENDED = 2
    """And operators fused."""
    ALL = 3
    """And layouts chosen over the whole graph."""


class GraphOptimizationLevel(enum.IntEnum):
    """ONNX Runtime's names (and numbers) of the levels."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """ONNX Runtime's names. Nodes run in order; threads are used within a node."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


LEVEL_OF = {
    GraphOptimizationLevel.ORT_DISABLE_ALL: OptLevel.NONE,
    GraphOptimizationLevel.ORT_ENABLE_BASIC: OptLevel.BASIC,
    GraphOptimizationLevel.ORT_ENABLE_EXTENDED: OptLevel.EXTENDED,
    GraphOptimizationLevel.ORT_ENABLE_LAYOUT: OptLevel.ALL,
    GraphOptimizationLevel.ORT_ENABLE_ALL: OptLevel.ALL,
}
ORT_LEVEL_OF = {
    OptLevel.NONE: GraphOptimizationLevel.ORT_DISABLE_ALL,
    OptLevel.BASIC: GraphOptimizationLevel.ORT_ENABLE_BASIC,
    OptLevel.EXTENDED: GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    OptLevel.ALL: GraphOptimizationLevel.ORT_ENABLE_ALL,
}
