"""Several threads in one session, cancel, deadlines, runs in the background."""

import threading
import time
import unittest

import numpy as np
import pyflame_rt as rt

import models

ONE = np.ones(4, np.float32)


class Threads(unittest.TestCase):
    def test_several_threads_one_session(self):
        session = rt.InferenceSession(models.convolution())
        images = [np.random.default_rng(i).standard_normal((2, 3, 16, 16)).astype(np.float32) for i in range(4)]
        want = [session.run(None, {"image": image})[0] for image in images]
        wrong = []

        def work(i):
            for _ in range(25):
                if not np.array_equal(session.run(None, {"image": images[i]})[0], want[i]):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_a_run_lets_other_threads_on(self):
        session = rt.InferenceSession(models.endless())
        ended = []

        def work():
            try:
                session.run(None, {"x": ONE}, timeout=0.3)
            except rt.LimitExceeded as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        turns = 0
        while thread.is_alive():
            turns += 1
            time.sleep(0.001)
        self.assertGreater(turns, 20)  # with the GIL held there would be one
        self.assertEqual(len(ended), 1)

    def test_custom_operators_from_several_threads(self):
        options = rt.SessionOptions()
        options.register_custom_op("Scale", lambda x, factor: x * np.float32(factor), domain="test.ops")
        session = rt.InferenceSession(models.custom(), options)
        results = []

        def work(i):
            for _ in range(20):
                results.append((session.run(None, {"x": np.full(3, i, np.float32)})[0] == 3 * i).all())

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 80)
        self.assertTrue(all(results))


class Stopping(unittest.TestCase):
    def setUp(self):
        self.session = rt.InferenceSession(models.endless())

    def cancelled(self, function, *arguments):
        options = rt.RunOptions()
        timer = threading.Timer(0.05, lambda: setattr(options, "terminate", True))
        timer.start()
        with self.assertRaisesRegex(rt.Cancelled, "cancelled by the caller"):
            function(*arguments, options)
        timer.join()
        self.assertTrue(options.terminate)
        options.terminate = False
        self.assertFalse(options.terminate)

    def test_cancel(self):
        self.cancelled(self.session.run, None, {"x": ONE})

    def test_cancel_batches_and_profiles(self):
        self.cancelled(self.session.run_batch, None, [{"x": ONE}] * 3, 1)
        self.cancelled(self.session.run_with_profiling, {"x": ONE}, None)

    def test_cancel_a_stream(self):
        stream = self.session.create_stream(chunk_size=4, stateful=False)
        self.cancelled(stream.process, ONE)
        stream.reset()

    def test_deadlines(self):
        for run in (
            lambda: self.session.run(None, {"x": ONE}, timeout=0.05),
            lambda: self.session.run(None, {"x": ONE}, rt.RunOptions(timeout=0.05)),
            lambda: self.session.run_batch(None, [{"x": ONE}] * 3, 1, timeout=0.05),
            lambda: self.session.run_with_profiling({"x": ONE}, timeout=0.05),
            lambda: self.session.create_stream(chunk_size=4, stateful=False).process(ONE, rt.RunOptions(timeout=0.05)),
        ):
            begin = time.monotonic()
            with self.assertRaisesRegex(rt.LimitExceeded, "deadline"):
                run()
            self.assertLess(time.monotonic() - begin, 5)

    def test_a_deadline_that_holds(self):
        session = rt.InferenceSession(models.linear()[0])
        self.assertEqual(session.run(None, {"x": ONE[None]}, timeout=60)[0].shape, (1, 3))


class Background(unittest.TestCase):
    def wait_for(self, seen):
        for _ in range(500):
            if seen:
                return seen[0]
            time.sleep(0.01)
        self.fail("the callback did not come")

    def test_results(self):
        session = rt.InferenceSession(models.convolution())
        image = np.ones((1, 3, 16, 16), np.float32)
        seen = []
        future = session.run_async(None, {"image": image}, lambda *given: seen.append(given), "mine")
        want = session.run(None, {"image": image})[0]
        np.testing.assert_array_equal(future.result()[0], want)
        results, data, error = self.wait_for(seen)
        np.testing.assert_array_equal(results[0], want)
        self.assertEqual((data, error), ("mine", ""))

    def test_errors(self):
        session = rt.InferenceSession(models.convolution())
        seen = []
        future = session.run_async(None, {"picture": ONE}, lambda *given: seen.append(given))
        with self.assertRaisesRegex(rt.InvalidArgument, "no input is called 'picture'"):
            future.result()
        results, _, error = self.wait_for(seen)
        self.assertEqual(results, [])
        self.assertIn("picture", error)


if __name__ == "__main__":
    unittest.main(verbosity=1)
