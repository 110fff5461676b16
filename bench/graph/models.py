"""The models of `./dev bench graph`: made here with random weights, and one real model out of a package.

Each has the operators, shapes and node patterns that the usual exporters write (Conv + BatchNormalization, exported GELU
and layer normalisation as small nodes, attention as MatMul/Softmax/MatMul). Weights are scaled so that activations stay
in range. Quantised models are what ONNX Runtime's own tool makes of such a model.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import math
import os
import pathlib
import tempfile
from typing import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
VOCABULARY = 30522


class Builder:
    """Nodes and weights of one graph; values are names."""

    def __init__(self, name: str, seed: int = 0, folded: bool = False):
        self.folded = folded  # batch normalisation is in the convolutions, as tools want it that quantise
        self.name, self.random = name, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.count = 0

    def input(self, name: str, kind: int, shape: list) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, array: np.ndarray, name: str | None = None) -> str:
        self.count += 1
        name = name or f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes) -> str:
        self.count += 1
        names = [f"{kind.lower()}_{self.count}" + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=f"{kind}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def const(self, value, dtype=np.float32) -> str:
        return self.weight(np.array(value, dtype))

    def normal(self, *shape: int, fan_in: int | None = None) -> np.ndarray:
        fan = fan_in or int(np.prod(shape[1:])) or 1
        return (self.random.standard_normal(shape) * math.sqrt(2.0 / fan)).astype(np.float32)

    def model(self, outputs: list[tuple[str, int, list]]) -> onnx.ModelProto:
        made = helper.make_graph(self.nodes, self.name, self.inputs, [helper.make_tensor_value_info(*o) for o in outputs], self.weights)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="hearth bench")
        model.ir_version = 8
        return model

    # ---- blocks ---------------------------------------------------------------------------------------------------
    def conv(self, x: str, c_in: int, c_out: int, k: int, stride: int = 1, groups: int = 1, bn: bool = True, act: str = "", pad: int | None = None) -> str:
        p, bn = k // 2 if pad is None else pad, bn and not self.folded
        w = self.weight(self.normal(c_out, c_in // groups, k, k))
        inputs = [x, w] if bn else [x, w, self.weight(np.zeros(c_out, np.float32))]
        x = self.op("Conv", *inputs, kernel_shape=[k, k], strides=[stride, stride], pads=[p, p, p, p], group=groups, dilations=[1, 1])
        if bn:
            x = self.batch_norm(x, c_out)
        return self.activate(x, act, c_out)

    def batch_norm(self, x: str, c: int) -> str:
        r = self.random
        values = [r.uniform(0.8, 1.2, c), r.normal(0, 0.1, c), r.normal(0, 0.1, c), r.uniform(0.8, 1.2, c)]
        return self.op("BatchNormalization", x, *[self.weight(v.astype(np.float32)) for v in values], epsilon=1e-5)

    def activate(self, x: str, act: str, c: int = 0) -> str:
        if act == "relu":
            return self.op("Relu", x)
        if act == "relu6":
            return self.op("Clip", x, self.const(0.0), self.const(6.0))
        if act == "prelu":
            return self.op("PRelu", x, self.weight(np.full((c, 1, 1), 0.25, np.float32)))
        if act == "silu":
            return self.op("Mul", x, self.op("Sigmoid", x))
        return x

    def linear(self, x: str, n_in: int, n_out: int, bias: bool = True) -> str:
        x = self.op("MatMul", x, self.weight(self.normal(n_in, n_out, fan_in=2 * n_in)))
        return self.op("Add", self.weight(np.zeros(n_out, np.float32)), x) if bias else x

    def layer_norm(self, x: str, n: int, exported: bool = True) -> str:
        scale, shift = self.weight(np.ones(n, np.float32)), self.weight(np.zeros(n, np.float32))
        if not exported:
            return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-5)
        centred = self.op("Sub", x, self.op("ReduceMean", x, axes=[-1], keepdims=1))
        variance = self.op("ReduceMean", self.op("Pow", centred, self.const(2.0)), axes=[-1], keepdims=1)
        x = self.op("Div", centred, self.op("Sqrt", self.op("Add", variance, self.const(1e-12))))
        return self.op("Add", self.op("Mul", x, scale), shift)

    def gelu(self, x: str) -> str:
        erf = self.op("Erf", self.op("Div", x, self.const(math.sqrt(2.0))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.const(1.0))), self.const(0.5))


def resnet50(name: str = "resnet50", image: int = 224, classes: int = 1000, folded: bool = False) -> onnx.ModelProto:
    b = Builder(name, folded=folded)
    x = b.input("input", TensorProto.FLOAT, ["batch", 3, image, image])
    x = b.conv(x, 3, 64, 7, 2, act="relu")
    x = b.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    c = 64
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = b.conv(x, c, width, 1, act="relu")
            y = b.conv(y, width, width, 3, stride, act="relu")
            y = b.conv(y, width, width * 4, 1)
            skip = b.conv(x, c, width * 4, 1, stride) if block == 0 else x
            x = b.op("Relu", b.op("Add", y, skip))
            c = width * 4
    x = b.op("Flatten", b.op("GlobalAveragePool", x), axis=1)
    x = b.op("Gemm", x, b.weight(b.normal(classes, c)), b.weight(np.zeros(classes, np.float32)), transB=1)
    return b.model([(x, TensorProto.FLOAT, ["batch", classes])])


def arcface_r50() -> onnx.ModelProto:
    """IR-50 at 112x112: pre-activation residual blocks with PReLU, a 512-number embedding."""
    b = Builder("arcface_r50")
    x = b.input("input", TensorProto.FLOAT, ["batch", 3, 112, 112])
    x = b.conv(x, 3, 64, 3, act="prelu")
    c = 64
    for width, blocks in [(64, 3), (128, 4), (256, 14), (512, 3)]:
        for block in range(blocks):
            stride = 2 if block == 0 else 1
            y = b.batch_norm(x, c)
            y = b.conv(y, c, width, 3, act="prelu")
            y = b.conv(y, width, width, 3, stride)
            skip = b.conv(x, c, width, 1, stride) if block == 0 else x
            x = b.op("Mul", b.op("Add", y, skip), b.const(0.7))
            c = width
    x = b.op("Flatten", b.batch_norm(x, c), axis=1)
    x = b.op("Gemm", x, b.weight(b.normal(512, c * 7 * 7)), b.weight(np.zeros(512, np.float32)), transB=1)
    return b.model([(x, TensorProto.FLOAT, ["batch", 512])])


def mobilenet_v2() -> onnx.ModelProto:
    b = Builder("mobilenet_v2")
    x = b.input("input", TensorProto.FLOAT, ["batch", 3, 224, 224])
    x = b.conv(x, 3, 32, 3, 2, act="relu6")
    c = 32
    for expand, width, blocks, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for block in range(blocks):
            s, hidden = stride if block == 0 else 1, c * expand
            y = b.conv(x, c, hidden, 1, act="relu6") if expand != 1 else x
            y = b.conv(y, hidden, hidden, 3, s, groups=hidden, act="relu6")
            y = b.conv(y, hidden, width, 1)
            x = b.op("Add", x, y) if s == 1 and c == width else y
            c = width
    x = b.conv(x, c, 1280, 1, act="relu6")
    x = b.op("Flatten", b.op("GlobalAveragePool", x), axis=1)
    x = b.op("Gemm", x, b.weight(b.normal(1000, 1280)), b.weight(np.zeros(1000, np.float32)), transB=1)
    return b.model([(x, TensorProto.FLOAT, ["batch", 1000])])


def mobile_facenet() -> onnx.ModelProto:
    b = Builder("mobile_facenet")
    x = b.input("input", TensorProto.FLOAT, ["batch", 3, 112, 112])
    x = b.conv(x, 3, 64, 3, 2, act="prelu")
    x = b.conv(x, 64, 64, 3, groups=64, act="prelu")
    c = 64
    for hidden, width, blocks, stride in [(128, 64, 1, 2), (128, 64, 4, 1), (256, 128, 1, 2), (256, 128, 6, 1), (512, 128, 1, 2), (256, 128, 2, 1)]:
        for _ in range(blocks):
            y = b.conv(x, c, hidden, 1, act="prelu")
            y = b.conv(y, hidden, hidden, 3, stride, groups=hidden, act="prelu")
            y = b.conv(y, hidden, width, 1)
            x = b.op("Add", x, y) if stride == 1 and c == width else y
            c = width
    x = b.conv(x, c, 512, 1, act="prelu")
    x = b.conv(x, 512, 512, 7, groups=512, pad=0)
    x = b.conv(x, 512, 128, 1)
    x = b.op("Flatten", x, axis=1)
    x = b.op("Div", x, b.op("Clip", b.op("ReduceL2", x, axes=[1], keepdims=1), b.const(1e-12)))
    return b.model([(x, TensorProto.FLOAT, ["batch", 128])])


def yolo() -> onnx.ModelProto:
    """A YOLO-class detector at 320x320: SiLU, CSP blocks, an upsampling neck, three heads joined."""
    b = Builder("yolo")
    x = b.input("images", TensorProto.FLOAT, ["batch", 3, 320, 320])

    def csp(x: str, c_in: int, c_out: int, blocks: int, shortcut: bool = True) -> str:
        half = c_out // 2
        x = b.conv(x, c_in, c_out, 1, act="silu")
        left, right = b.op("Split", x, b.weight(np.array([half, half], np.int64)), outputs=2, axis=1)
        parts = [left, right]
        for _ in range(blocks):
            y = b.conv(b.conv(parts[-1], half, half, 3, act="silu"), half, half, 3, act="silu")
            parts.append(b.op("Add", parts[-1], y) if shortcut else y)
        return b.conv(b.op("Concat", *parts, axis=1), half * (2 + blocks), c_out, 1, act="silu")

    def up(x: str) -> str:
        return b.op("Resize", x, "", b.weight(np.array([1, 1, 2, 2], np.float32)), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    x = b.conv(x, 3, 16, 3, 2, act="silu")
    x = csp(b.conv(x, 16, 32, 3, 2, act="silu"), 32, 32, 1)
    p3 = csp(b.conv(x, 32, 64, 3, 2, act="silu"), 64, 64, 2)
    p4 = csp(b.conv(p3, 64, 128, 3, 2, act="silu"), 128, 128, 2)
    p5 = csp(b.conv(p4, 128, 256, 3, 2, act="silu"), 256, 256, 1)
    y = b.conv(p5, 256, 128, 1, act="silu")
    pools = [y]
    for _ in range(3):
        pools.append(b.op("MaxPool", pools[-1], kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2]))
    p5 = b.conv(b.op("Concat", *pools, axis=1), 512, 256, 1, act="silu")
    n4 = csp(b.op("Concat", up(p5), p4, axis=1), 384, 128, 1, False)
    n3 = csp(b.op("Concat", up(n4), p3, axis=1), 192, 64, 1, False)
    m4 = csp(b.op("Concat", b.conv(n3, 64, 64, 3, 2, act="silu"), n4, axis=1), 192, 128, 1, False)
    m5 = csp(b.op("Concat", b.conv(m4, 128, 128, 3, 2, act="silu"), p5, axis=1), 384, 256, 1, False)
    heads = []
    for feature, c in [(n3, 64), (m4, 128), (m5, 256)]:
        box = b.conv(b.conv(feature, c, 64, 3, act="silu"), 64, 64, 1, bn=False)
        kind = b.conv(b.conv(feature, c, 80, 3, act="silu"), 80, 80, 1, bn=False)
        both = b.op("Concat", box, kind, axis=1)
        heads.append(b.op("Reshape", both, b.weight(np.array([0, 144, -1], np.int64))))
    x = b.op("Concat", *heads, axis=2)
    box, kind = b.op("Split", x, b.weight(np.array([64, 80], np.int64)), outputs=2, axis=1)
    x = b.op("Concat", box, b.op("Sigmoid", kind), axis=1)
    return b.model([(x, TensorProto.FLOAT, ["batch", 144, "anchors"])])


def bert(name: str, layers: int, width: int, heads: int, hidden: int, vocabulary: int = VOCABULARY) -> onnx.ModelProto:
    b = Builder(name)
    ids = b.input("input_ids", TensorProto.INT64, ["batch", "sequence"])
    mask = b.input("attention_mask", TensorProto.INT64, ["batch", "sequence"])
    kinds = b.input("token_type_ids", TensorProto.INT64, ["batch", "sequence"])
    size = width // heads
    embed = lambda n: b.weight((b.random.standard_normal((n, width)) * 0.05).astype(np.float32))
    x = b.op("Add", b.op("Gather", embed(vocabulary), ids), b.op("Gather", embed(2), kinds))
    length = b.op("Gather", b.op("Shape", ids), b.weight(np.array(1, np.int64)))
    positions = b.op("Slice", embed(512), b.weight(np.array([0], np.int64)), b.op("Unsqueeze", length, b.weight(np.array([0], np.int64))), b.weight(np.array([0], np.int64)))
    x = b.layer_norm(b.op("Add", x, positions), width)
    m = b.op("Cast", b.op("Unsqueeze", mask, b.weight(np.array([1, 2], np.int64))), to=TensorProto.FLOAT)
    bias = b.op("Mul", b.op("Sub", b.const(1.0), m), b.const(-10000.0))
    split = b.weight(np.array([0, 0, heads, size], np.int64))
    join = b.weight(np.array([0, 0, width], np.int64))
    for _ in range(layers):
        def head(order: list[int]) -> str:
            return b.op("Transpose", b.op("Reshape", b.linear(x, width, width), split), perm=order)
        q, k, v = head([0, 2, 1, 3]), head([0, 2, 3, 1]), head([0, 2, 1, 3])
        scores = b.op("Add", b.op("Div", b.op("MatMul", q, k), b.const(math.sqrt(size))), bias)
        y = b.op("MatMul", b.op("Softmax", scores, axis=-1), v)
        y = b.linear(b.op("Reshape", b.op("Transpose", y, perm=[0, 2, 1, 3]), join), width, width)
        x = b.layer_norm(b.op("Add", y, x), width)
        y = b.linear(b.gelu(b.linear(x, width, hidden)), hidden, width)
        x = b.layer_norm(b.op("Add", y, x), width)
    return b.model([(x, TensorProto.FLOAT, ["batch", "sequence", width])])


def conformer(layers: int = 8, width: int = 256, heads: int = 4, mels: int = 80) -> onnx.ModelProto:
    """A Conformer-class speech encoder: convolutional subsampling, then feed-forward / attention / convolution blocks."""
    b = Builder("conformer")
    x = b.input("features", TensorProto.FLOAT, ["batch", "frames", mels])
    size = width // heads
    x = b.op("Unsqueeze", x, b.weight(np.array([1], np.int64)))
    x = b.conv(x, 1, 32, 3, 2, bn=False, act="relu")
    x = b.conv(x, 32, 32, 3, 2, bn=False, act="relu")
    x = b.op("Reshape", b.op("Transpose", x, perm=[0, 2, 1, 3]), b.weight(np.array([0, 0, 32 * mels // 4], np.int64)))
    x = b.linear(x, 32 * mels // 4, width)
    split, join = b.weight(np.array([0, 0, heads, size], np.int64)), b.weight(np.array([0, 0, width], np.int64))

    def feed_forward(x: str) -> str:
        y = b.activate(b.linear(b.layer_norm(x, width, False), width, 4 * width), "silu")
        return b.op("Add", x, b.op("Mul", b.linear(y, 4 * width, width), b.const(0.5)))

    for _ in range(layers):
        x = feed_forward(x)
        n = b.layer_norm(x, width, False)
        q, k, v = (b.op("Transpose", b.op("Reshape", b.linear(n, width, width), split), perm=p) for p in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]))
        scores = b.op("Mul", b.op("MatMul", q, k), b.const(1 / math.sqrt(size)))
        y = b.op("Reshape", b.op("Transpose", b.op("MatMul", b.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3]), join)
        x = b.op("Add", x, b.linear(y, width, width))
        y = b.op("Transpose", b.layer_norm(x, width, False), perm=[0, 2, 1])
        y = b.op("Conv", y, b.weight(b.normal(2 * width, width, 1)), b.weight(np.zeros(2 * width, np.float32)), kernel_shape=[1])
        left, right = b.op("Split", y, b.weight(np.array([width, width], np.int64)), outputs=2, axis=1)
        y = b.op("Mul", left, b.op("Sigmoid", right))
        y = b.op("Conv", y, b.weight(b.normal(width, 1, 15)), kernel_shape=[15], pads=[7, 7], group=width)
        y = b.activate(b.batch_norm(y, width), "silu")
        y = b.op("Conv", y, b.weight(b.normal(width, width, 1)), b.weight(np.zeros(width, np.float32)), kernel_shape=[1])
        x = b.op("Add", x, b.op("Transpose", y, perm=[0, 2, 1]))
        x = b.layer_norm(feed_forward(x), width, False)
    return b.model([(x, TensorProto.FLOAT, ["batch", "frames_out", width])])


def quantised(model: onnx.ModelProto, feeds: dict[str, np.ndarray] | None) -> onnx.ModelProto:
    """8 bits: with feeds QuantizeLinear and DequantizeLinear around every operator, calibrated on them, weights by output channel; without,
    products by MatMulInteger with scales that are found in each run."""
    from onnxruntime import quantization

    class Feeds(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = [feeds]

        def get_next(self):
            return self.left.pop() if self.left else None

    logging.disable(logging.WARNING)  # that the model might be optimised first
    with tempfile.TemporaryDirectory() as folder:
        plain, made = os.path.join(folder, "plain.onnx"), os.path.join(folder, "made.onnx")
        onnx.save(model, plain)
        if feeds is None:
            quantization.quantize_dynamic(plain, made, op_types_to_quantize=["MatMul"], weight_type=quantization.QuantType.QInt8)
        else:
            quantization.quantize_static(
                plain,
                made,
                Feeds(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        logging.disable(logging.NOTSET)
        return onnx.load(made)


def silero_vad() -> onnx.ModelProto:
    """A real model, voice activity detection, from the package silero-vad: of the files there, the one that all the engines read. Found, not
    imported: the package wants PyTorch."""
    found = importlib.util.find_spec("silero_vad")
    if found is None:
        raise SystemExit("the package silero-vad is missing: pip install --no-deps -r tools/requirements-python.no-deps.txt")
    return onnx.load(str(pathlib.Path(found.submodule_search_locations[0], "data", "silero_vad_op18_ifless.onnx")))


def image(size: int, name: str = "input"):
    return lambda batch, random: {name: random.standard_normal((batch, 3, size, size)).astype(np.float32)}


def tokens(batch: int, random: np.random.Generator, length: int = 128) -> dict[str, np.ndarray]:
    return {
        "input_ids": random.integers(0, VOCABULARY, (batch, length)),
        "attention_mask": np.ones((batch, length), np.int64),
        "token_type_ids": np.zeros((batch, length), np.int64),
    }


def speech(batch: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """A chunk of 512 samples at 16 kHz behind the 64 before it, and a state in mid-signal."""
    return {
        "input": (random.standard_normal((batch, 576)) * 0.1).astype(np.float32),
        "state": (random.standard_normal((2, batch, 128)) * 0.1).astype(np.float32),
        "sr": np.array(16000, np.int64),
    }


@dataclasses.dataclass
class Model:
    make: Callable[[], onnx.ModelProto]
    feed: Callable[[int, np.random.Generator], dict[str, np.ndarray]]  # (batch, random)
    lengths: Callable[[int, np.random.Generator, int], dict[str, np.ndarray]] | None = None  # (batch, random, length): rows of changing length
    tail: bool = False  # its slowest runs matter: p99
    precisions: tuple[str, ...] = ("f32", "bf16")


MODELS = {
    "resnet50": Model(resnet50, image(224)),
    "mobilenet_v2": Model(mobilenet_v2, image(224)),
    "mobile_facenet": Model(mobile_facenet, image(112), tail=True),
    "arcface_r50": Model(arcface_r50, image(112)),
    "yolo": Model(yolo, image(320, "images")),
    "bert_base": Model(lambda: bert("bert_base", 12, 768, 12, 3072), tokens, lengths=tokens),
    "minilm": Model(lambda: bert("minilm", 6, 384, 12, 1536), tokens, lengths=tokens),
    "silero_vad": Model(silero_vad, speech),
    "conformer": Model(conformer, lambda batch, random: {"features": random.standard_normal((batch, 400, 80)).astype(np.float32)}),
    "resnet50_int8": Model(lambda: quantised(resnet50(folded=True), image(224)(1, np.random.default_rng(3))), image(224), precisions=("int8",)),
    "bert_int8": Model(lambda: quantised(bert("minilm", 6, 384, 12, 1536), None), tokens, lengths=tokens, precisions=("int8",)),
}
