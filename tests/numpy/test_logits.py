"""Holds the devices against the NumPy forward: logits at every position of random models of every architecture and file
type, and of the default model. usage: test_logits.py PROGRAMS CASE, where CASE is one of the functions below."""
import os
import subprocess
import sys
import tempfile

SKIPPED = 77
try:
    import numpy as np

    import forward
except ImportError as error:
    print(f"skipped: {sys.executable} lacks numpy ({error}); create .venv with numpy or set HEARTH_PYTHON")
    sys.exit(SKIPPED)

PROGRAMS = sys.argv[1]
DTYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"]
ARCHITECTURES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "mistral", "phi3"]
MATRIX_BOUND = 1e-4  # |got - want| <= bound * (1 + |want|), everywhere
PERPLEXITY_BOUND = 0.01


def run(program, *arguments):
    done = subprocess.run([os.path.join(PROGRAMS, program), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{program} {' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def make(folder, arch, form, dtype, *more):
    window = ["--window", "24"] if arch in ("mistral", "gemma2", "gemma3") else []
    return run("make_random_model", "--arch", arch, "--format", form, "--dtype", dtype, "--out",
               os.path.join(folder, f"{arch}-{form}-{dtype.replace(',', '+')}{''.join(more)}"), *window, *more).strip()


def tokens_for(seed, count=80, vocab=400):
    return [int(t) for t in np.random.default_rng(seed).integers(0, vocab, count)]


def device_logits(folder, model, tokens, device, *more):
    out = os.path.join(folder, "logits.f32")
    run("llm_eval", "logits", "--model", model, "--device", device, "--tokens", ",".join(map(str, tokens)), "--out", out, *more)
    return np.fromfile(out, dtype=np.float32).astype(np.float64).reshape(len(tokens), -1)


def worst(got, want):
    assert np.isfinite(got).all()
    return float(np.max(np.abs(got - want) / (1 + np.abs(want))))


def expect_close(label, got, want):
    error = worst(got, want)
    print(f"{label}: {error:.2e} (bound {MATRIX_BOUND:.0e})")
    if not error <= MATRIX_BOUND:
        raise SystemExit(f"{label}: the logits differ by {error:.3e}")


def isas():
    """The instruction sets that this machine has."""
    with open("/proc/cpuinfo") as f:
        text = f.read()
    found = ["portable"]
    if " avx2 " in text:
        found.append("avx2")
    if " avx512_vnni " in text and " avx512_bf16 " in text:
        found.append("avx512")
    return found


def reference(arch):
    """ref == NumPy for both kinds of file, and the two kinds hold the same model."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = tokens_for(1)
        layers = ["--layers", "7"] if arch == "gemma3" else []  # a full layer among the sliding ones
        both = []
        for form in ("gguf", "safetensors"):
            model = make(folder, arch, form, "f32", *layers)
            want = forward.logits(model, tokens)
            assert want.std() > 0.1, "the test needs logits that differ"
            expect_close(f"{arch} {form} f32", device_logits(folder, model, tokens, "ref"), want)
            both.append(want)
        expect_close(f"{arch} gguf against safetensors", *both)
        for form, dtype, more in (("safetensors", "bf16", ["--shards", "3"]), ("safetensors", "f16", []),
                                  ("gguf", ",".join(DTYPES), [])):
            model = make(folder, arch, form, dtype, *more)
            expect_close(f"{arch} {form} {dtype}", device_logits(folder, model, tokens, "ref"), forward.logits(model, tokens))


def rope():
    """Every kind of rotary scaling in both kinds of file."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = tokens_for(2)
        for arch, kind in (("llama", "llama3"), ("llama", "linear"), ("qwen3", "yarn"), ("phi3", "longrope"), ("gemma3", "linear")):
            both = []
            layers = ["--layers", "7"] if arch == "gemma3" else []
            for form in ("gguf", "safetensors"):
                model = make(folder, arch, form, "f32", "--rope", kind, *layers)
                want = forward.logits(model, tokens)
                expect_close(f"{arch} {kind} {form}", device_logits(folder, model, tokens, "ref"), want)
                both.append(want)
            expect_close(f"{arch} {kind} gguf against safetensors", *both)
        plain = forward.logits(make(folder, "llama", "gguf", "f32"), tokens)
        scaled = forward.logits(make(folder, "llama", "gguf", "f32", "--rope", "llama3"), tokens)
        assert worst(plain, scaled) > 1e-2, "scaling must show in the logits"


def types():
    """Every file type alone on the reference."""
    with tempfile.TemporaryDirectory() as folder:
        tokens = tokens_for(3)
        for dtype in DTYPES:
            model = make(folder, "llama", "gguf", dtype)
            expect_close(f"llama gguf {dtype}", device_logits(folder, model, tokens, "ref"), forward.logits(model, tokens))


def packed():
    """The packed paths of the CPU device keep the perplexity of the reference, for every file type."""
    with tempfile.TemporaryDirectory() as folder:
        # A text that the model finds likely here and unlikely there: its own greedy choices mixed with random tokens.
        for dtype in [*DTYPES, ",".join(DTYPES)]:
            model = make(folder, "llama", "gguf", dtype)
            tokens = tokens_for(4, 256)
            want = forward.logits(model, tokens)
            for i in range(1, len(tokens), 2):
                tokens[i] = int(np.argsort(want[i - 1])[-1 - i % 7])
            compare_perplexity(folder, f"llama {dtype}", model, tokens, forward.mean_nll(forward.logits(model, tokens), tokens))
        for arch in ARCHITECTURES:
            model = make(folder, arch, "safetensors", "bf16")
            tokens = tokens_for(5, 128)
            compare_perplexity(folder, f"{arch} bf16", model, tokens, forward.mean_nll(forward.logits(model, tokens), tokens))


def compare_perplexity(folder, label, model, tokens, want):
    path = os.path.join(folder, "tokens.txt")
    with open(path, "w") as f:
        f.write(" ".join(map(str, tokens)))
    for isa in isas():
        said = run("llm_eval", "nll", "--model", model, "--device", "cpu", "--isa", isa, "--tokens-file", path, "--window", len(tokens))
        got = float(said.split()[1])
        ratio = abs(np.exp(got - want) - 1)
        print(f"{label} {isa}: perplexity {np.exp(got):.4f}, reference {np.exp(want):.4f}, {100 * ratio:.3f} %")
        if not ratio <= PERPLEXITY_BOUND:
            raise SystemExit(f"{label} {isa}: perplexity is off by {100 * ratio:.2f} %")


def default_model_path():
    path = os.environ.get("HEARTH_DEFAULT_MODEL", os.path.expanduser("~/.cache/hearth/models/smollm2.gguf"))
    if not os.path.exists(path):
        print(f"skipped: no default model at {path}; fetch it or set HEARTH_DEFAULT_MODEL")
        sys.exit(SKIPPED)
    return path


def default_model():
    """The default model: ref == NumPy at every position of several prompts."""
    model = default_model_path()
    with tempfile.TemporaryDirectory() as folder:
        for seed, count in ((6, 1), (7, 5), (8, 40)):
            tokens = tokens_for(seed, count, 49152)
            expect_close(f"default model, {count} tokens", device_logits(folder, model, tokens, "ref"), forward.logits(model, tokens))


def default_packed():
    """The default model's packed paths keep the perplexity on a text of more than 2,000 tokens."""
    model = default_model_path()
    import model_files
    vocabulary = {t: i for i, t in enumerate(model_files.Gguf(model).keys["tokenizer.ggml.tokens"])}
    # No tokenizer here: the longest vocabulary entries, from left to right, give tokens that read as the text.
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "LICENSE")) as f:
        text = f.read().replace(" ", "\u0120").replace("\n", "\u010a")
    tokens, at = [], 0
    while at < len(text):
        end = next(e for e in range(min(len(text), at + 24), at, -1) if text[at:e] in vocabulary)
        tokens.append(vocabulary[text[at:end]])
        at = end
    assert len(tokens) >= 2000, len(tokens)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokens.txt")
        with open(path, "w") as f:
            f.write(" ".join(map(str, tokens)))
        window = 512
        sums = [(forward.mean_nll(forward.logits(model, part), part) * (len(part) - 1), len(part) - 1)
                for part in (tokens[i:i + window] for i in range(0, len(tokens), window)) if len(part) > 1]
        want = sum(s for s, _ in sums) / sum(n for _, n in sums)
        for isa in isas():
            got = float(run("llm_eval", "nll", "--model", model, "--device", "cpu", "--isa", isa, "--tokens-file", path,
                            "--window", window).split()[1])
            ratio = abs(np.exp(got - want) - 1)
            print(f"default model {isa}: perplexity {np.exp(got):.4f}, NumPy {np.exp(want):.4f}, {100 * ratio:.3f} %, {len(tokens)} tokens")
            if not ratio <= PERPLEXITY_BOUND:
                raise SystemExit(f"perplexity is off by {100 * ratio:.2f} %")


CASES = {"rope": rope, "types": types, "packed": packed, "default_model": default_model, "default_packed": default_packed}
CASES |= {f"reference_{arch}": lambda arch=arch: reference(arch) for arch in ARCHITECTURES}

if __name__ == "__main__":
    CASES[sys.argv[2]]()
