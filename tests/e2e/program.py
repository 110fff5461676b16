"""Drives the real `pie` binary in a home of its own. Only the standard library."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PIE = pathlib.Path(os.environ.get("PIE_BINARY", "build/release/bin/pie")).resolve()

# What must not leak from the caller's environment into a test.
FOREIGN = ("PIE_", "HF_", "HEARTH_", "XDG_", "NO_COLOR")


class PieTest(unittest.TestCase):
    """One temporary folder a test: .home for $PIE_HOME, .cache for $PIE_CACHE_HOME."""

    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pie_e2e."))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.home = self.dir / "home"
        self.cache = self.dir / "cache"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
        self.environment.update(PIE_HOME=str(self.home), PIE_CACHE_HOME=str(self.cache), HOME=str(self.dir))
        # pip keeps its own user settings: they belong to the machine, not to the test.
        self.environment.setdefault("PIP_CONFIG_FILE", os.path.expanduser("~/.config/pip/pip.conf"))

    def command(self, *words):
        return [str(PIE), *map(str, words)]

    def pie(self, *words, code=0, timeout=120, input=None, **environment):
        """Runs pie, checks its exit code, gives the finished process with text outputs."""
        done = subprocess.run(
            self.command(*words), env={**self.environment, **environment}, cwd=self.dir, timeout=timeout,
            capture_output=True, text=True, input=input if input is not None else "",
        )
        self.assertEqual(done.returncode, code, f"pie {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}")
        return done

    def one_error(self, done):
        """The error text of a failed run: exactly one."""
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0].removeprefix("error: ")

    def pie_json(self, *words, **kwargs):
        return json.loads(self.pie(*words, **kwargs).stdout)

    def files_below(self, folder):
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
