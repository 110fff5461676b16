"""Limits, pools, and memory that goes back."""

import gc
import unittest
import weakref

import numpy as np
import pyflame_rt as rt

import models

MB = 1 << 20


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


class Limits(unittest.TestCase):
    def test_memory_limit(self):
        session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_limit_mb=8))
        with self.assertRaisesRegex(rt.LimitExceeded, "memory_limit_mb"):
            session.run(None, {"n": np.array([100_000_000], np.int64)})
        self.assertEqual(session.run(None, {"n": np.array([1000], np.int64)})[0], 0)  # the session stays usable
        self.assertEqual(session.memory()["limit"], 8 * MB)

    def test_memory_follows_the_shapes_in_use(self):
        session = rt.InferenceSession(models.big())
        for size in range(100_000, 1_000_000, 50_000):
            session.run(None, {"n": np.array([size], np.int64)})
        for _ in range(3):
            session.run(None, {"n": np.array([1000], np.int64)})
        memory = session.memory()
        self.assertLess(memory["kept"] + memory["in_use"], MB)

    def test_it_goes_back_when_the_session_closes(self):
        model = models.heavy(megabytes=24)
        x = np.ones((1, 1024), np.float32)

        def once():
            session = rt.InferenceSession(model)
            session.run(None, {"x": x})
            del session
            gc.collect()

        once()  # what a process loads once
        before = resident()
        for _ in range(6):
            once()
        self.assertLess(resident() - before, 8 * MB)

    def test_results_outlive_the_session(self):
        session = rt.InferenceSession(models.big(keep=True))
        (y,) = session.run(None, {"n": np.array([1000], np.int64)})
        want = y.copy()
        del session
        gc.collect()
        np.testing.assert_array_equal(y, want)

    def test_a_session_whose_options_are_gone(self):
        session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_pool="custom", allocator=lambda size: bytearray(size)))
        gc.collect()
        self.assertEqual(session.run(None, {"n": np.array([1000], np.int64)})[0], 0)


class Pools(unittest.TestCase):
    def kept_after(self, **options):
        session = rt.InferenceSession(models.big(), rt.SessionOptions(**options))
        session.run(None, {"n": np.array([1_000_000], np.int64)})
        for _ in range(3):
            session.run(None, {"n": np.array([10], np.int64)})
        kept = session.memory()["kept"]
        session.trim_memory()
        self.assertEqual(session.memory()["kept"], 0)
        return kept

    def test_default_gives_back_what_runs_no_longer_need(self):
        self.assertLess(self.kept_after(), MB)

    def test_an_arena_keeps_until_it_is_trimmed(self):
        self.assertGreater(self.kept_after(memory_pool="arena"), 3 * MB)

    def test_without_reuse_only_the_last_result_is_kept(self):
        self.assertLess(self.kept_after(memory_pool="arena", enable_memory_reuse=False), 1024)

    def test_custom_memory(self):
        sizes, live = [], []

        def allocate(size):
            sizes.append(size)
            block = np.zeros(size, np.uint8)
            live.append(block)
            return block

        session = rt.InferenceSession(models.big(keep=True), rt.SessionOptions(memory_pool="custom", allocator=allocate))
        (y,) = session.run(None, {"n": np.array([1000], np.int64)})
        self.assertGreaterEqual(max(sizes), 4000)
        address = y.ctypes.data
        self.assertTrue(any(block.ctypes.data <= address < block.ctypes.data + block.nbytes for block in live))  # the result lies there
        self.assertEqual(address % 64, 0)
        self.assertGreaterEqual(session.memory()["in_use"], 4000)
        del y
        gc.collect()
        self.assertEqual(session.memory()["in_use"], 0)

    def test_runs_over_the_same_shapes_take_one_block_and_the_result(self):
        sizes = []

        def allocate(size):
            sizes.append(size)
            return np.zeros(size, np.uint8)

        session = rt.InferenceSession(models.heavy(megabytes=16), rt.SessionOptions(memory_pool="custom", allocator=allocate))
        for rows in (3, 5):
            x = np.ones((rows, 1024), np.float32)
            (first,) = session.run(None, {"x": x})
            for _ in range(3):
                sizes.clear()
                np.testing.assert_array_equal(session.run(None, {"x": x})[0], first)
                self.assertEqual(len(sizes), 2)

    def test_a_thousand_lengths_do_not_grow_memory(self):
        session = rt.InferenceSession(models.heavy(megabytes=8))
        for rows in range(1, 1001):
            session.run(None, {"x": np.ones((1 + rows * 389 % 100, 1024), np.float32)})
        memory = session.memory()
        self.assertEqual(memory["in_use"], 0)
        self.assertLess(memory["peak"], 10 * 100 * 4096)

    def test_buffers_are_let_go(self):
        made = []

        def allocate(size):
            block = np.zeros(size, np.uint8)
            made.append(weakref.ref(block))
            return block

        session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_pool="custom", allocator=allocate))
        session.run(None, {"n": np.array([1000], np.int64)})
        gc.collect()
        self.assertTrue(made)
        self.assertEqual([ref() for ref in made if ref() is not None], [])

    def test_an_allocator_that_fails(self):
        def fails(size):
            raise OSError("the shelf is empty")

        for allocator, text in [(fails, "the shelf is empty"), (lambda size: None, "has no"), (lambda size: bytearray(8), "a buffer of 8 bytes"), (lambda size: b"x" * size, "not writable|writable")]:
            session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_pool="custom", allocator=allocator))
            with self.assertRaisesRegex(rt.LimitExceeded, text):
                session.run(None, {"n": np.array([1000], np.int64)})

    def test_the_limit_holds_for_custom_memory(self):
        session = rt.InferenceSession(models.big(), rt.SessionOptions(memory_pool="custom", allocator=bytearray, memory_limit_mb=1))
        with self.assertRaisesRegex(rt.LimitExceeded, "memory_limit_mb"):
            session.run(None, {"n": np.array([1_000_000], np.int64)})


if __name__ == "__main__":
    unittest.main(verbosity=1)
