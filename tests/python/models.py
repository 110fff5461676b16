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


def strings():
    return save([helper.make_node("Identity", ["x"], ["y"])], [value("x", ["n"], TensorProto.STRING)], [value("y", ["n"], TensorProto.STRING)])


def every_type(kind):
    return save([helper.make_node("Identity", ["x"], ["y"])], [value("x", ["n"], kind)], [value("y", ["n"], kind)], opset=24)
