"""Small models for the tests of the Python package."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(nodes, inputs, outputs, weights=(), opset=17, domains=(), metadata=None):
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), list(weights))
    opsets = [helper.make_opsetid("", opset), *[helper.make_opsetid(domain, 1) for domain in domains]]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if metadata:
        helper.set_model_props(model, metadata)
        model.model_version = 3
    return model.SerializeToString()


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def linear():
    """y = x w + b for x [batch, 4]."""
    random = np.random.default_rng(0)
    w, b = random.standard_normal((4, 3)).astype(np.float32), np.array([1, 2, 3], np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name="product"), helper.make_node("Add", ["h", "b"], ["y"], name="sum")]
    weights = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    return save(nodes, [value("x", ["batch", 4])], [value("y", ["batch", 3])], weights, metadata={"author": "tests"}), w, b


def convolution():
    random = np.random.default_rng(1)
    w = random.standard_normal((8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["scores"]),
    ]
    return save(nodes, [value("image", ["n", 3, 16, 16])], [value("scores", ["n", 8])], [numpy_helper.from_array(w, "w")])


def picture():
    """A small classifier of 224 x 224 images; names as in the documentation's examples."""
    w = np.random.default_rng(2).standard_normal((4, 3, 8, 8)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c"], strides=[8, 8]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["output"]),
    ]
    return save(nodes, [value("input", ["batch", 3, 224, 224])], [value("output", ["batch", 4])], [numpy_helper.from_array(w, "w")])


def custom():
    node = helper.make_node("Scale", ["x"], ["y"], domain="test.ops", factor=3.0)
    return save([node], [value("x", ["n"])], [value("y", ["n"])], domains=["test.ops"])


def recurrent():
    """A running sum: y = x + state, state_out = state + sum(x) per chunk."""
    nodes = [
        helper.make_node("Add", ["signal", "state"], ["y"]),
        helper.make_node("ReduceSum", ["signal", "axes"], ["total"], keepdims=1),
        helper.make_node("Add", ["total", "state"], ["state_out"]),
    ]
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    return save(nodes, [value("signal", ["b", "samples"]), value("state", ["b", 1])], [value("y", ["b", "samples"]), value("state_out", ["b", 1])], [axes])


def endless():
    """A loop that ends only when it is cancelled."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["v", "v"], ["next"])],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("v", ["n"])],
        [value("go_on", [], TensorProto.BOOL), value("next", ["n"])],
    )
    node = helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)
    yes = numpy_helper.from_array(np.array(True), "yes")
    return save([node], [value("x", ["n"])], [value("y", ["n"])], [yes])


def big(keep=False):
    """Makes tensors of the size that its input says; their greatest element is the output, or with `keep` the last of them."""
    nodes = [helper.make_node("ConstantOfShape", ["n"], ["a"]), helper.make_node("Add", ["a", "a"], ["b"])]
    if keep:
        return save(nodes, [value("n", [1], TensorProto.INT64)], [value("b", ["size"])])
    nodes.append(helper.make_node("ReduceMax", ["b"], ["y"], keepdims=0))
    return save(nodes, [value("n", [1], TensorProto.INT64)], [value("y", [])])


def heavy(megabytes):
    """Matrices of 4 MB, one after another."""
    weights = [numpy_helper.from_array(np.full((1024, 1024), 1 / 1024, np.float32), f"w{i}") for i in range(megabytes // 4)]
    names = ["x", *[f"h{i}" for i in range(len(weights))]]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(len(weights))]
    return save(nodes, [value("x", ["n", 1024])], [value(names[-1], ["n", 1024])], weights)


class Quantised:
    """A model as tools quantise it: QuantizeLinear and DequantizeLinear around every operator, weights of 7 bits by output channel, which
    no processor's instructions saturate on."""

    def __init__(self, seed):
        self.random, self.nodes, self.weights, self.count = np.random.default_rng(seed), [], [], 0

    def constant(self, array):
        self.count += 1
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"c{self.count}"))
        return f"c{self.count}"

    def op(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, list(inputs), [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def quantised(self, x, scale, zero):
        numbers = [self.constant(np.float32(scale)), self.constant(np.uint8(zero))]
        return self.op("DequantizeLinear", self.op("QuantizeLinear", x, *numbers), *numbers)

    def byte_weights(self, *shape):
        scale = np.full(shape[0], np.sqrt(2 / np.prod(shape[1:])) / 30, np.float32) * self.random.uniform(0.7, 1.3, shape[0]).astype(np.float32)
        values = np.clip(np.rint(self.random.standard_normal(shape) * 30), -63, 63).astype(np.int8)
        zeros = self.constant(np.zeros(shape[0], np.int8))
        return self.op("DequantizeLinear", self.constant(values), self.constant(scale), zeros, axis=0), scale

    def conv(self, x, x_scale, c_in, c_out, k, stride=1, groups=1, clip=True):
        w, scale = self.byte_weights(c_out, c_in // groups, k, k)
        bias = self.constant(self.random.integers(-2000, 2000, c_out).astype(np.int32))
        b = self.op("DequantizeLinear", bias, self.constant(scale * np.float32(x_scale)), axis=0)
        y = self.op("Conv", x, w, b, kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4, group=groups)
        if not clip:
            return self.quantised(y, 8 / 255, 128), 8 / 255
        y = self.op("Clip", y, self.constant(np.float32(0)), self.constant(np.float32(6)))
        return self.quantised(y, 6 / 255, 0), 6 / 255


def quantised_mobilenet():
    """Inverted residual blocks at 48 x 48; the last byte of the result is worth 8 / 255."""
    b = Quantised(4)
    x, scale = b.quantised("image", 4 / 255, 128), 4 / 255
    x, scale = b.conv(x, scale, 3, 16, 3, 2)
    c = 16
    for width, stride in [(8, 1), (16, 2), (16, 1), (24, 2), (24, 1)]:
        y, inner = b.conv(x, scale, c, 4 * c, 1)
        y, inner = b.conv(y, inner, 4 * c, 4 * c, 3, stride, 4 * c)
        y, inner = b.conv(y, inner, 4 * c, width, 1, clip=False)
        x, scale = (b.quantised(b.op("Add", x, y), 10 / 255, 128), 10 / 255) if stride == 1 and width == c else (y, inner)
        c = width
    x, scale = b.conv(x, scale, c, 96, 1)
    x = b.quantised(b.op("GlobalAveragePool", x), scale, 0)
    x = b.quantised(b.op("Flatten", x), scale, 0)
    w, _ = b.byte_weights(10, 96)
    y = b.quantised(b.op("Gemm", x, w, transB=1), 8 / 255, 128)
    b.nodes[-1].output[0] = "scores"
    return save(b.nodes, [value("image", ["n", 3, 48, 48])], [value("scores", ["n", 10])], b.weights)


def dynamically_quantised():
    """Two linear layers with bias, a GELU between them, as dynamic quantisation writes them."""
    random, nodes, weights = np.random.default_rng(5), [], []

    def constant(name, array):
        weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def linear(x, name, n_in, n_out):
        w = constant(f"{name}_w", random.integers(-63, 64, (n_in, n_out)).astype(np.int8))
        zero, scale = constant(f"{name}_wz", np.int8(0)), constant(f"{name}_ws", np.float32(0.02 / np.sqrt(n_in)))
        bias = constant(f"{name}_b", random.standard_normal(n_out).astype(np.float32))
        q = [f"{name}_q", f"{name}_s", f"{name}_z"]
        nodes.append(helper.make_node("DynamicQuantizeLinear", [x], q))
        nodes.append(helper.make_node("MatMulInteger", [q[0], w, q[2], zero], [f"{name}_p"]))
        nodes.append(helper.make_node("Cast", [f"{name}_p"], [f"{name}_c"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [q[1], scale], [f"{name}_f"]))
        nodes.append(helper.make_node("Mul", [f"{name}_c", f"{name}_f"], [f"{name}_m"]))
        nodes.append(helper.make_node("Add", [bias, f"{name}_m"], [f"{name}_y"]))
        return f"{name}_y"

    y = linear("x", "up", 40, 96)
    nodes.append(helper.make_node("Div", [y, constant("root", np.float32(np.sqrt(2)))], ["d"]))
    nodes.append(helper.make_node("Erf", ["d"], ["e"]))
    nodes.append(helper.make_node("Add", ["e", constant("one", np.float32(1))], ["o"]))
    nodes.append(helper.make_node("Mul", [y, "o"], ["g2"]))
    nodes.append(helper.make_node("Mul", ["g2", constant("half", np.float32(0.5))], ["gelu"]))
    y = linear("gelu", "down", 96, 40)
    nodes.append(helper.make_node("Add", [y, "x"], ["y"]))
    return save(nodes, [value("x", ["n", "length", 40])], [value("y", ["n", "length", 40])], weights)


def strings():
    return save([helper.make_node("Identity", ["x"], ["y"])], [value("x", ["n"], TensorProto.STRING)], [value("y", ["n"], TensorProto.STRING)])


def every_type(kind):
    return save([helper.make_node("Identity", ["x"], ["y"])], [value("x", ["n"], kind)], [value("y", ["n"], kind)], opset=24)
