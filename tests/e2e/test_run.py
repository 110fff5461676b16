"""`pie run` and `pie build`, with the dummy model: everything runs, nothing is downloaded."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from program import PIE, PieTest

GUESTS = pathlib.Path(os.environ.get("HEARTH_GUESTS", PIE.parent.parent / "tests" / "guests"))
INFERLETS = PIE.parent.parent / "share" / "hearth" / "inferlets"


class RunTest(PieTest):
    def setUp(self):
        super().setUp()
        if not INFERLETS.is_dir():
            self.skipTest("this build has no inferlets: clang-19 with its WebAssembly parts is missing")
        # Compiled code is cached by content: shared, so that each test does not compile again.
        self.environment["PIE_CACHE_HOME"] = str(PIE.parent.parent / "tests" / "e2e_cache")
        self.pie("config", "init", "--dummy")

    def guest(self, name):
        return GUESTS / f"{name.replace('_', '-')}.wasm"


class Text(RunTest):
    WORDS = ("run", "std/text-completion", "--", "--prompt", "Once upon a time", "--max-tokens", "12", "--seed", "7")

    def test_streams_text_and_the_same_seed_gives_the_same(self):
        first = self.pie(*self.WORDS)
        self.assertGreater(len(first.stdout), 5)
        self.assertEqual(first.stderr, "")
        self.assertEqual(self.pie(*self.WORDS).stdout, first.stdout)

    def test_a_seed_holds_with_every_cut(self):
        for cuts in (("--top-p", "0.9"), ("--top-k", "50"), ("--top-k", "50", "--top-p", "0.9")):
            def text(seed):
                return self.pie(*self.WORDS[:-1], seed, "--temperature", "2", *cuts).stdout

            self.assertEqual(text("1099511627776"), text("1099511627776"), cuts)
            self.assertNotEqual(text("1099511627776"), text("8"), cuts)

    def test_names_of_the_inferlet(self):
        text = self.pie(*self.WORDS).stdout
        for name in ("text-completion", "std/text-completion@latest", str(INFERLETS / "text-completion.wasm")):
            self.assertEqual(self.pie("run", name, *self.WORDS[2:]).stdout, text)
        shutil.copy(INFERLETS / "text-completion.wasm", self.dir / "odd name")
        self.assertEqual(self.pie("run", "--path", "odd name", *self.WORDS[2:]).stdout, text)

    def test_result_is_printed_when_asked_for(self):
        streamed = self.pie(*self.WORDS).stdout
        done = self.pie("run", "--result", *self.WORDS[1:])
        self.assertTrue(done.stdout.startswith(streamed))
        self.assertGreater(len(done.stdout), len(streamed))

    def test_stats_log_and_trace(self):
        done = self.pie("run", "--stats", "--log", "run.log", "--trace", "run.json", *self.WORDS[1:])
        self.assertRegex(done.stderr, r"started in \d+ ms, first output after \d+ ms")
        self.assertRegex(done.stderr, r"\d+ tokens computed in \d+ steps")
        self.assertIn("started in", (self.dir / "run.log").read_text())
        events = json.loads((self.dir / "run.json").read_text())["traceEvents"]
        self.assertTrue({"tokenizer", "weights", "inferlet"} <= {event.get("name") for event in events})

    def test_the_reference_device_runs_too(self):
        self.pie("config", "update", "--device", "ref")
        self.assertGreater(len(self.pie(*self.WORDS).stdout), 5)

    def test_a_prompt_longer_than_the_context(self):
        error = self.one_error(self.pie("run", "std/text-completion", "--", "--prompt", "word " * 5000, code=1))
        self.assertRegex(error, r"context|2048")

    def test_bad_arguments_of_the_inferlet(self):
        error = self.one_error(self.pie("run", "std/text-completion", "--", "--promt", "x", code=1))
        self.assertIn("promt", error)

    def test_without_a_prompt(self):
        self.assertIn("--prompt", self.one_error(self.pie("run", "std/text-completion", code=1)))


class Session(RunTest):
    def test_lines_of_stdin_are_messages_and_the_end_of_stdin_ends_it(self):
        done = self.pie("run", "std/chat", "--", "--max-tokens", "4", "--seed", "1", input="hello\nagain\n", timeout=60)
        self.assertGreater(len(done.stdout), 2)

    def test_chat_ends_at_exit(self):
        self.pie("run", "std/chat", "--", "--max-tokens", "4", input="/exit\n", timeout=60)

    def test_parallel_generation(self):
        done = self.pie("run", "std/parallel-generation", "--", "--prompt", "Hi", "--max-tokens", "4", timeout=60)
        self.assertGreater(len(done.stdout), 2)

    def test_both_streams_and_the_result(self):
        done = self.pie("run", self.guest("greet"), "--", "--a", "1")
        self.assertIn("out: ", done.stdout)
        self.assertIn("err: ", done.stderr)
        self.assertNotIn('"a"', done.stdout)
        shown = self.pie("run", "--result", self.guest("greet"), "--", "--a", "1").stdout
        self.assertEqual(json.loads(shown.splitlines()[-1])["a"], 1)


class BadGuests(RunTest):
    def refused(self, path, **kwargs):
        return self.one_error(self.pie("run", path, code=1, **kwargs))

    def test_files_that_are_no_guests(self):
        (self.dir / "empty.wasm").write_bytes(b"")
        (self.dir / "text.wasm").write_text("hello")
        (self.dir / "module.wasm").write_bytes(b"\0asm\x01\0\0\0")
        (self.dir / "component.wasm").write_bytes(b"\0asm\x0d\0\x01\0")
        whole = self.guest("greet").read_bytes()
        (self.dir / "cut.wasm").write_bytes(whole[: len(whole) // 2])
        for name in ("empty", "text", "module", "component", "cut"):
            error = self.refused(f"./{name}.wasm")
            self.assertIn(name, error)
        self.assertIn("component", self.refused("./module.wasm"))
        self.assertIn("run", self.refused("./component.wasm"))

    def test_missing_files_and_names(self):
        self.assertIn("is no file", self.refused("./no.wasm"))
        self.assertIn('did you mean "text-completion"?', self.refused("std/text-completoin"))
        self.assertIn("have version", self.refused("std/text-completion@99.0.0"))
        self.assertIn("only std/ inferlets have names", self.refused("other/thing"))

    def test_a_trap_keeps_what_was_printed(self):
        done = self.pie("run", self.guest("trap"), code=1)
        self.assertIn("before the trap", done.stdout)
        self.one_error(done)

    def test_an_error_of_the_guest(self):
        done = self.pie("run", self.guest("fail"), "--", "--text", "so it is", code=1)
        self.assertIn("so it is", self.one_error(done))

    def test_a_spinning_guest_ends_at_its_time_limit(self):
        self.pie("config", "update", "--guest-time-limit-s", "0.5")
        begin = time.time()
        error = self.refused(self.guest("spin"), timeout=60)
        self.assertLess(time.time() - begin, 20)
        self.assertRegex(error, r"time|limit|ms")

    def test_a_guest_that_eats_memory(self):
        self.pie("config", "update", "--guest-memory-mb", "32")
        self.refused(self.guest("hog_memory"), timeout=60)


class Interrupt(RunTest):
    def interrupted(self, *words, first=signal.SIGINT):
        running = subprocess.Popen(self.command("run", *words), env=self.environment, cwd=self.dir,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(2.0)
        self.assertIsNone(running.poll(), "it ended before it was interrupted")
        running.send_signal(first)
        _, errors = running.communicate(timeout=30)
        self.assertEqual(running.returncode, 130, errors)
        self.assertIn("interrupted", errors)

    def test_a_waiting_guest(self):
        self.interrupted(self.guest("wait_forever"))

    def test_a_spinning_guest(self):
        self.interrupted(self.guest("spin"))

    def test_termination_is_the_same(self):
        self.interrupted(self.guest("spin"), first=signal.SIGTERM)


class Models(RunTest):
    def test_remove_frees_the_prepared_weights(self):
        self.environment["PIE_CACHE_HOME"] = str(self.cache)
        self.pie(*Text.WORDS)
        [model] = self.cache.glob("dummy/*/model.gguf")
        prepared = list(self.cache.glob("prepared/*.prepared"))
        self.assertEqual(len(prepared), 1)
        self.assertRegex(self.pie("model", "remove", f"file:{model}").stdout,
                         r"removed the prepared weights of file:.*: [\d.]+ [kM]B freed; the file itself stays")
        self.assertFalse(prepared[0].exists())
        self.assertTrue(model.exists())

    def test_the_context_length_is_a_limit(self):
        self.pie("config", "update", "--context-length", "64")
        self.assertEqual(self.pie_json("model", "info", "--json")["context_length"], 64)
        error = self.one_error(self.pie("run", "std/text-completion", "--", "--prompt", "word " * 100, code=1))
        self.assertIn("64", error)

    def test_a_missing_model_offline(self):
        self.pie("config", "init", "--force")
        done = self.pie("run", "std/text-completion", code=1, HF_HUB_OFFLINE="1",
                        PIE_CACHE_HOME=str(self.dir / "empty"))
        self.assertIn("HF_HUB_OFFLINE forbids the network", self.one_error(done))

    def test_a_missing_model_without_a_person_to_ask(self):
        self.pie("config", "update", "--hf-repo", "org/not-here")
        error = self.one_error(self.pie("run", "std/text-completion", code=1))
        self.assertIn("`pie model download hf:org/not-here` brings it", error)

    def test_broken_model_files(self):
        for name, data in {"cut.gguf": b"GGUF\x03\0\0\0", "text.gguf": b"hello"}.items():
            (self.dir / name).write_bytes(data)
            self.pie("config", "update", "--source", f"file:{self.dir}/{name}")
            self.one_error(self.pie("run", "std/text-completion", "--", "--prompt", "x", code=1))

    def test_a_bad_configuration(self):
        (self.dir / "c.toml").write_text("[engine]\nprot = 1\n")
        self.assertIn('did you mean "port"?', self.one_error(self.pie("run", "-c", "c.toml", "std/chat", code=1)))
        (self.dir / "c.toml").write_text("[[model]]\nsource = 'dummy'\ndevice = ['cuda:77']\n")
        self.assertIn("/dev/nvidia77 is missing", self.one_error(self.pie("run", "-c", "c.toml", "std/chat", code=1)))


class Questions(RunTest):
    def test_info(self):
        info = self.pie_json("model", "info", "--json")
        self.assertEqual(info["architecture"], "llama")
        self.assertGreater(info["parameters"], 1000)

    def test_tokenize(self):
        cut = self.pie_json("model", "tokenize", "héllo\n\x7f", "--json")
        self.assertEqual(cut["count"], len(cut["tokens"]))
        self.assertEqual(self.pie_json("model", "tokenize", "", "--json")["count"], 0)

    def test_logits_agree_with_the_reference(self):
        def top(*words):
            answer = self.pie_json("model", "logits", "--tokens", "5,6,7,8", "--top", "0", "--every-position", "--json", *words)
            self.assertEqual(len(answer["positions"]), 4)
            return [{entry["token"]: entry["logit"] for entry in place["top"]} for place in answer["positions"]]

        reference = top("--reference")
        for words in ((), ("--isa", "portable")):
            for ours, theirs in zip(top(*words), reference):
                self.assertEqual(ours.keys(), theirs.keys())
                self.assertLess(max(abs(ours[token] - theirs[token]) for token in ours), 1e-2)

    def test_perplexity(self):
        (self.dir / "t.txt").write_text("The quick brown fox jumps over the lazy dog. " * 20)
        ours = self.pie_json("model", "perplexity", "--text", "t.txt", "--json")
        reference = self.pie_json("model", "perplexity", "--text", "t.txt", "--json", "--reference")
        self.assertEqual(ours["scored"], reference["scored"])
        self.assertLess(abs(ours["perplexity"] / reference["perplexity"] - 1), 0.01)

    def test_wrong_questions(self):
        for words, text in {
            ("logits", "--tokens", "1,x"): 'got "x"',
            ("logits", "--tokens", ""): "need at least one",
            ("logits", "--tokens", "99999999"): "need ids from 0",
            ("info", "--reference", "--device", "cpu"): "--reference is --device ref",
            ("info", "--reference", "--isa", "avx2"): "no instruction sets",
        }.items():
            self.assertIn(text, self.one_error(self.pie("model", *words, code=2)))
        self.assertIn("does not exist", self.pie("model", "info", "-m", "file:/no/such.gguf", code=1).stderr)
        self.one_error(self.pie("model", "perplexity", "--text", "no.txt", code=1))


class Build(RunTest):
    def test_build_and_run(self):
        (self.dir / "hello.cpp").write_text(
            '#include <hearth/inferlet.hpp>\n'
            'hearth::Result<std::string> run(hearth::Arguments& a) { std::string n = "you";\n'
            '  HEARTH_TRY(a.option("name", n, "whom to greet").done()); return "hello " + n; }\n'
            'HEARTH_INFERLET(run)\n')
        self.pie("build", "hello.cpp", "-o", "hello.wasm", timeout=280)
        self.assertEqual(self.pie("run", "./hello.wasm", "--", "--name", "there").stdout, "hello there\n")

    def test_a_source_with_an_error(self):
        (self.dir / "bad.cpp").write_text("int x = ;\n")
        done = self.pie("build", "bad.cpp", code=1, timeout=280)
        self.assertIn("bad.cpp:1", done.stderr)
        self.assertFalse((self.dir / "bad.wasm").exists())


if __name__ == "__main__":
    unittest.main()
