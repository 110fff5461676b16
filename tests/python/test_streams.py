"""Signals run chunk by chunk: overlap, carried state, and a real model of this kind beside ONNX Runtime."""

import importlib.util
import pathlib
import unittest

import numpy as np
import onnxruntime
import pyflame_rt as rt

import models


def silero() -> str:
    """The model in the package silero-vad. Found, not imported: the package itself wants PyTorch."""
    [folder] = importlib.util.find_spec("silero_vad").submodule_search_locations
    return str(pathlib.Path(folder, "data", "silero_vad.onnx"))


def voice(seconds: float, rate: int) -> np.ndarray:
    """Something like a voice between silences: a harmonic tone with formants, going up and down."""
    t = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 20 * np.sin(2 * np.pi * 3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tone = sum(np.exp(-(((k * 120 - f) / 250) ** 2)) * np.sin(k * phase) for k in range(1, 25) for f in (500, 1500, 2500))
    gate = (np.sin(2 * np.pi * 0.7 * t) > 0) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))
    noise = np.random.default_rng(0).standard_normal(t.size) * 0.003
    return (0.2 * tone * gate + noise).astype(np.float32)


class Streams(unittest.TestCase):
    def setUp(self):
        self.session = rt.InferenceSession(models.recurrent())

    def test_state_is_carried(self):
        stream = self.session.create_stream(chunk_size=4)
        self.assertEqual((stream.input, stream.states), ("signal", {"state_out": "state"}))
        signal = np.arange(10, dtype=np.float32)
        parts = stream.process(signal[:3]) + stream.process(signal[3:]) + stream.flush()
        got = np.concatenate([part["y"][0] for part in parts])
        want = np.concatenate([signal[0:4], signal[4:8] + signal[:4].sum(), np.array([8, 9, 0, 0], np.float32) + signal[:8].sum()])
        np.testing.assert_allclose(got, want)
        stream.reset()
        np.testing.assert_allclose(stream.process(signal[:4])[0]["y"][0], signal[:4])

    def test_overlap(self):
        stream = self.session.create_stream(chunk_size=4, overlap=2, stateful=False, constants={"state": np.zeros((1, 1), np.float32)})
        parts = stream.process(np.arange(8, dtype=np.float32))
        np.testing.assert_array_equal([part["y"][0] for part in parts], [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]])
        self.assertEqual(stream.flush(), [])

    def test_chunks_of_any_size(self):
        stream = self.session.create_stream()
        self.assertEqual([stream.process(np.ones(n, np.float32))[0]["y"].shape for n in (3, 5)], [(1, 3), (1, 5)])

    def test_it_keeps_its_session(self):
        stream = rt.InferenceSession(models.recurrent()).create_stream(chunk_size=2)
        self.assertEqual(len(stream.process(np.ones(5, np.float32))), 2)


class Voice(unittest.TestCase):
    """Silero VAD: 512 new samples a chunk behind the last 64, a state of [2, 1, 128], the rate as a third input."""

    def check(self, rate, chunk, context):
        audio = np.concatenate([np.zeros(context, np.float32), voice(4, rate)])
        stream = rt.InferenceSession(silero()).create_stream(chunk_size=chunk + context, overlap=context, constants={"sr": np.array(rate, np.int64)})
        self.assertEqual((stream.input, stream.states), ("input", {"stateN": "state"}))
        got = []
        for piece in np.array_split(audio, 37):  # as a microphone delivers it
            got += [float(result["output"].item()) for result in stream.process(piece)]

        theirs = onnxruntime.InferenceSession(silero(), providers=["CPUExecutionProvider"])
        state, want = np.zeros((2, 1, 128), np.float32), []
        for begin in range(0, audio.size - chunk - context + 1, chunk):
            feed = {"input": audio[None, begin : begin + chunk + context], "state": state, "sr": np.array(rate, np.int64)}
            output, state = theirs.run(None, feed)
            want.append(float(output.item()))
        self.assertEqual(len(got), len(want))
        np.testing.assert_allclose(got, want, atol=2e-4)
        self.assertGreater(max(want) - min(want), 0.2)  # the model does hear the difference
        stream.reset()
        again = stream.process(audio[: chunk + context])
        self.assertAlmostEqual(float(again[0]["output"].item()), want[0], delta=2e-4)

    def test_at_16_khz(self):
        self.check(16000, 512, 64)

    def test_at_8_khz(self):
        self.check(8000, 256, 32)


if __name__ == "__main__":
    unittest.main(verbosity=1)
