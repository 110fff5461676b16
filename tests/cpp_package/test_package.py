"""`cmake --install --component pyflame_rt`: another project finds the package, compiles examples/pyflame_rt as C++17, runs it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

SOURCE, BUILD = pathlib.Path(os.environ["HEARTH_SOURCE"]), os.environ["HEARTH_BUILD"]
CMAKE, CXX = os.environ.get("CMAKE_COMMAND", "cmake"), os.environ.get("CXX", "c++")
sys.path.insert(0, str(SOURCE / "tests/python"))
import models  # noqa: E402

STRICT = "-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror"


def command(*words, code=0):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=250)
    if done.returncode != code:
        raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.prefix = cls.folder / "prefix"
        command(CMAKE, "--install", BUILD, "--prefix", cls.prefix, "--component", "pyflame_rt")
        command(CMAKE, "-S", SOURCE / "examples/pyflame_rt", "-B", cls.folder / "example", f"-DCMAKE_PREFIX_PATH={cls.prefix}",
                f"-DCMAKE_CXX_COMPILER={CXX}", f"-DCMAKE_CXX_FLAGS={STRICT}", "-DCMAKE_BUILD_TYPE=Release")  # fmt: skip
        command(CMAKE, "--build", cls.folder / "example")
        cls.example = cls.folder / "example/run_model"

    def test_the_example_runs(self):
        model, w, b = models.linear()
        path = self.folder / "linear.onnx"
        path.write_bytes(model)
        lines = command(self.example, path).stdout.splitlines()
        self.assertEqual(lines[0], "input x: tensor(float)")
        name, kind, *numbers = lines[1].split()
        self.assertEqual((name, kind), ("y", "float[3]:"))
        want = (np.arange(4, dtype=np.float32) / 8) @ w + b
        np.testing.assert_allclose(np.array(numbers, np.float32), want, rtol=1e-4, atol=1e-5)
        self.assertIn("batch of 3", lines)
        self.assertTrue(any(line.startswith("op ") for line in lines))
        self.assertIn("stopped: [run] the deadline has passed", lines)

    def test_its_errors_are_exceptions_of_the_interface(self):
        done = command(self.example, "/no/such.onnx", code=1)
        self.assertRegex(done.stderr, r"^run_model: \[.*\].*/no/such.onnx")

    def test_headers_stand_alone_as_cxx17(self):
        headers = sorted((self.prefix / "include/pyflame_rt").rglob("*.hpp"))
        self.assertGreater(len(headers), 5)
        for header in headers:
            unit = self.folder / "unit.cpp"
            unit.write_text(f'#include "{header}"\n')
            command(CXX, "-std=c++17", *STRICT.split(), "-fsyntax-only", f"-I{self.prefix / 'include'}", unit)

    def test_it_shows_its_own_names_alone(self):
        library = self.prefix / "lib/libpyflame_rt.so"
        lines = command("nm", "--dynamic", "--defined-only", "--demangle", library).stdout.splitlines()
        names = [line.split(maxsplit=2)[2] for line in lines]
        self.assertTrue(any("pyflame_rt::InferenceSession::run(" in name for name in names))
        self.assertEqual([name for name in names if "pyflame_rt::" not in name], [])

    def test_another_version_is_refused(self):
        project = self.folder / "newer"
        project.mkdir()
        (project / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.16)\nproject(newer CXX)\nfind_package(pyflame_rt 9.0 REQUIRED)\n")
        done = command(CMAKE, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}", code=1)
        self.assertIn("version", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
