"""Values in and out: every element type, strings, sequences, maps, absent optionals."""

import unittest

import ml_dtypes
import numpy as np
import pyflame_rt as rt
from onnx import TensorProto, helper, numpy_helper

import models

TYPES = [
    (TensorProto.FLOAT, np.float32), (TensorProto.DOUBLE, np.float64), (TensorProto.FLOAT16, np.float16), (TensorProto.BOOL, np.bool_),
    (TensorProto.INT8, np.int8), (TensorProto.INT16, np.int16), (TensorProto.INT32, np.int32), (TensorProto.INT64, np.int64),
    (TensorProto.UINT8, np.uint8), (TensorProto.UINT16, np.uint16), (TensorProto.UINT32, np.uint32), (TensorProto.UINT64, np.uint64),
    (TensorProto.COMPLEX64, np.complex64), (TensorProto.COMPLEX128, np.complex128), (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn), (TensorProto.FLOAT8E4M3FNUZ, ml_dtypes.float8_e4m3fnuz),
    (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2), (TensorProto.FLOAT8E5M2FNUZ, ml_dtypes.float8_e5m2fnuz),
    (TensorProto.FLOAT8E8M0, ml_dtypes.float8_e8m0fnu), (TensorProto.FLOAT4E2M1, ml_dtypes.float4_e2m1fn),
    (TensorProto.INT4, ml_dtypes.int4), (TensorProto.UINT4, ml_dtypes.uint4),
]  # fmt: skip


class Types(unittest.TestCase):
    def test_every_numeric_type(self):
        for kind, dtype in TYPES:
            with self.subTest(np.dtype(dtype).name):
                session = rt.InferenceSession(models.every_type(kind))
                self.assertEqual(session.get_inputs()[0].dtype, np.dtype(dtype))
                x = np.array([1, 2, 1], dtype=dtype)
                (y,) = session.run(None, {"x": x})
                self.assertEqual((y.dtype, y.tobytes()), (x.dtype, x.tobytes()))
                value = rt.OrtValue.ortvalue_from_numpy(x)
                self.assertEqual((value.element_type(), value.data_type()), (kind, session.get_inputs()[0].type))

    def test_strings(self):
        session = rt.InferenceSession(models.strings())
        words = np.array(["one", "zwei", "три", ""], dtype=object)
        self.assertEqual(session.get_inputs()[0].dtype, np.dtype(object))
        for given in (words, words.astype(str), list(words), np.array([w.encode() for w in words], object)):
            (y,) = session.run(None, {"x": given})
            self.assertEqual((y.dtype, list(y)), (np.dtype(object), list(words)))

    def test_arrays_in_any_order(self):
        model, w, b = models.linear()
        session = rt.InferenceSession(model)
        wide = np.arange(16, dtype=np.float32).reshape(2, 8)
        unaligned = np.frombuffer(b"x" + wide[:, :4].tobytes(), np.float32, offset=0, count=0)
        unaligned = np.frombuffer(bytearray(b"x" + wide[:, :4].tobytes()), np.uint8)[1:].view(np.float32).reshape(2, 4)
        self.assertFalse(unaligned.flags.aligned)
        for array in (wide[:, ::2], wide[::-1, 3::-1], np.asfortranarray(wide[:, :4]), wide[:, :4].astype(">f4"), unaligned):
            np.testing.assert_allclose(session.run(None, {"x": array})[0], np.asarray(array, np.float32) @ w + b, rtol=1e-5, atol=1e-5)

    def test_outputs_are_the_callers_own(self):
        constant = numpy_helper.from_array(np.arange(4, dtype=np.float32), "c")
        nodes = [helper.make_node("Identity", ["x"], ["same"]), helper.make_node("Identity", ["c"], ["fixed"])]
        model = models.save(nodes, [models.value("x", [4])], [models.value("same", [4]), models.value("fixed", [4])], [constant])
        for level in rt.OptLevel:
            session = rt.InferenceSession(model, optimization_level=level)
            x = np.ones(4, np.float32)
            for _ in range(2):
                same, fixed = session.run(None, {"x": x})
                np.testing.assert_array_equal((same, fixed), (np.ones(4), np.arange(4)))
                same[:] = fixed[:] = 9
            np.testing.assert_array_equal(x, np.ones(4))

    def test_sequences(self):
        kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
        ports = [helper.make_value_info(name, kind) for name in ("s", "t")]
        node = helper.make_node("SequenceInsert", ["s", "x"], ["t"])
        session = rt.InferenceSession(models.save([node], [ports[0], models.value("x", ["n"])], [ports[1]]))
        self.assertEqual(session.get_inputs()[0].type, "seq(tensor(float))")
        self.assertIsNone(session.get_inputs()[0].dtype)
        first = np.ones(2, np.float32)
        (made,) = session.run(None, {"s": [first, [2.5]], "x": np.zeros(1, np.float32)})
        self.assertEqual([list(item) for item in made], [[1, 1], [2.5], [0]])
        made[0][:] = 7
        np.testing.assert_array_equal(first, np.ones(2))  # the caller's own, in sequences too
        with self.assertRaisesRegex(rt.InvalidArgument, "'s'.*need seq"):
            session.run(None, {"s": first, "x": first})

    def test_maps(self):
        node = helper.make_node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["cat", "dog"])
        kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        out = helper.make_value_info("m", helper.make_sequence_type_proto(kind))
        session = rt.InferenceSession(models.save([node], [models.value("x", ["n", 2])], [out], domains=["ai.onnx.ml"]))
        self.assertEqual(session.run(None, {"x": np.array([[0.25, 0.75]], np.float32)})[0], [{"cat": 0.25, "dog": 0.75}])

    def test_maps_in(self):
        node = helper.make_node("DictVectorizer", ["m"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b", "c"])
        kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
        session = rt.InferenceSession(models.save([node], [helper.make_value_info("m", kind)], [models.value("y", [1, 3])], domains=["ai.onnx.ml"]))
        np.testing.assert_array_equal(session.run(None, {"m": {"c": 3, "a": 1.5}})[0].reshape(-1), [1.5, 0, 3])
        with self.assertRaisesRegex(rt.InvalidArgument, "keys of a map; got int and str"):
            session.run(None, {"m": {"c": 3, 1: 1.5}})

    def test_optionals(self):
        kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, ["n"]))
        node = helper.make_node("OptionalHasElement", ["o"], ["has"])
        session = rt.InferenceSession(models.save([node], [helper.make_value_info("o", kind)], [models.value("has", [], TensorProto.BOOL)]))
        self.assertEqual([bool(session.run(None, {"o": value})[0]) for value in (None, np.ones(2, np.float32))], [False, True])


if __name__ == "__main__":
    unittest.main(verbosity=1)
