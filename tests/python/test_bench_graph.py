"""`./dev bench graph` itself: every model of it agrees with the peers at every level, and its table has what it promises."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

BENCH = pathlib.Path(os.environ["HEARTH_SOURCE"], "bench/graph/run.py")


def bench(*arguments: str) -> str:
    done = subprocess.run([sys.executable, str(BENCH), *arguments], capture_output=True, text=True, timeout=540)
    if done.returncode:
        raise AssertionError(f"{done.args}: status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class BenchGraph(unittest.TestCase):
    def test_every_model_agrees_with_onnx_runtime_at_every_level(self):
        rows = [line for line in bench("--check", "--threads", "2", "--batch", "1").splitlines() if "differs" in line]
        models = {line.split()[0] for line in rows}
        self.assertGreaterEqual(len(models), 9)
        for line in rows:
            if " f32 " in line:
                self.assertIn("pyflame_rt NONE", line)
                self.assertIn("openvino", line)

    def test_rows_have_the_peers_beside_ours(self):
        found = json.loads(bench("--models", "silero_vad", "mobile_facenet", "--rounds", "2", "--threads", "1", "--batch", "1", "--precision", "f32", "--json"))
        self.assertEqual([row["model"] for row in found["rows"]], ["silero_vad", "mobile_facenet"])
        for row in found["rows"]:
            for engine in ("pyflame_rt", "onnxruntime", "openvino"):
                self.assertGreater(row[engine]["ms"], 0)
                self.assertGreater(row[engine]["create_ms"], 0)
                self.assertGreater(row[engine]["peak_mb"], 0)
        self.assertGreater(found["rows"][0]["pyflame_rt"]["cached_create_ms"], 0)
        self.assertGreaterEqual(found["rows"][1]["pyflame_rt"]["p99_ms"], found["rows"][1]["pyflame_rt"]["p50_ms"])


if __name__ == "__main__":
    unittest.main()
