"""`cmake --install`: what lies below the prefix works without the source tree."""

import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from program import PieTest

BUILD = os.environ.get("HEARTH_BUILD", "build/release")
CMAKE = os.environ.get("CMAKE_COMMAND", "cmake")


class Install(PieTest):
    @unittest.skipUnless(pathlib.Path(BUILD, "share/hearth/inferlets/text-completion.wasm").exists(), "no inferlets were built")
    def setUp(self):
        super().setUp()
        self.prefix = self.dir / "prefix"
        done = subprocess.run([CMAKE, "--install", BUILD, "--prefix", str(self.prefix)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.pie("config", "init", "--dummy")

    def command(self, *words):
        return [str(self.prefix / "bin/pie"), *map(str, words)]

    def test_runs_what_ships(self):
        words = ("run", "std/text-completion", "--", "--prompt", "Once", "--max-tokens", "8", "--seed", "7")
        self.assertGreater(len(self.pie(*words).stdout), 5)
        # They are those of the prefix, not those of the build.
        (self.prefix / "share/hearth/inferlets/chat.wasm").unlink()
        self.assertIn("there is no inferlet std/chat", self.one_error(self.pie("run", "std/chat", code=1)))
        [inferlets] = [f for f in self.pie_json("doctor", "--json")["findings"] if f["topic"] == "inferlets"]
        self.assertEqual(inferlets["detail"], "std/parallel-generation, std/text-completion")

    def test_builds_with_the_library_of_the_prefix(self):
        header = self.prefix / "share/hearth/sdk/include/hearth/inferlet.hpp"
        header.write_text(header.read_text() + "\n#define OF_THE_PREFIX \"of the prefix\"\n")
        (self.dir / "hello.cpp").write_text(
            "#include <hearth/inferlet.hpp>\n"
            "hearth::Result<std::string> run(hearth::Arguments& a) { return std::string(OF_THE_PREFIX); }\n"
            "HEARTH_INFERLET(run)\n")
        self.pie("build", "hello.cpp", timeout=280)
        self.assertEqual(self.pie("run", "./hello.wasm").stdout, "of the prefix\n")

    def test_a_link_to_the_program_is_as_good(self):
        (self.dir / "link").symlink_to(self.prefix / "bin/pie")
        done = subprocess.run([self.dir / "link", "run", "std/text-completion", "--", "--prompt", "x", "--max-tokens", "2"],
                              env=self.environment, cwd=self.dir, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_contract_and_the_docs_are_there(self):
        share = self.prefix / "share"
        self.assertIn("package hearth:inferlet@", (share / "hearth/wit/inferlet.wit").read_text())
        self.assertTrue((share / "hearth/wit/deps/pie-core/inference.wit").is_file())
        self.assertTrue((share / "doc/hearth/inferlets.md").is_file())


if __name__ == "__main__":
    unittest.main()
