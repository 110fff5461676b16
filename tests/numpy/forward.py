"""The forward step of the supported decoders in plain NumPy (float64), written from their papers and published
configurations: the measure that the C++ reference is held against. One sequence, every position."""
import math

import numpy as np

import model_files


def rms_norm(x, w, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * w


def silu(x):
    return x / (1.0 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x ** 3)))


def frequencies(s, local):
    """Angular frequency of each rotated pair, and the factor of cos and sin."""
    n = s["rope_dims"]
    base = s["theta_local"] if local else s["theta"]
    f = 1.0 / base ** (np.arange(0, n, 2) / n)
    scaling = {"type": "none"} if local else s["scaling"]
    kind = scaling["type"]
    if kind == "linear":
        return f / scaling["factor"], 1.0
    if kind == "divide":
        return f / scaling["by"], scaling.get("attention", 1.0)
    if kind == "llama3":
        factor, low, high, original = scaling["factor"], scaling["low"], scaling["high"], scaling["original"]
        out = []
        for x in f:
            wavelength = 2 * math.pi / x
            if wavelength < original / high:
                out.append(x)
            elif wavelength > original / low:
                out.append(x / factor)
            else:
                smooth = (original / wavelength - low) / (high - low)
                out.append((1 - smooth) * x / factor + smooth * x)
        return np.array(out), 1.0
    if kind == "yarn":
        factor, original = scaling["factor"], scaling["original"]

        def pair_of(rotations):
            return n * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(base))

        low, high = max(math.floor(pair_of(32)), 0), min(math.ceil(pair_of(1)), n - 1)
        ramp = np.clip((np.arange(n // 2) - low) / max(high - low, 0.001), 0, 1)
        return f / factor * ramp + f * (1 - ramp), 0.1 * math.log(factor) + 1.0
    assert kind in ("none", "default", "longrope"), kind
    return f, 1.0


def rotate(x, s, local):
    """x: [tokens, heads, head_dim]; pairs are (j, j + rope_dims / 2)."""
    f, factor = frequencies(s, local)
    angle = np.arange(x.shape[0])[:, None] * f[None, :]
    cos, sin = np.cos(angle)[:, None, :] * factor, np.sin(angle)[:, None, :] * factor
    half = s["rope_dims"] // 2
    a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin, rest], axis=-1)


def slides(s, layer):
    if s["window"] == 0:
        return False
    if s["arch"] == "gemma2":
        return layer % 2 == 0
    if s["arch"] == "gemma3":
        return layer % 6 != 5
    return s["arch"] in ("mistral", "phi3", "llama")  # GGUF writes Mistral as "llama"


def attention(x, s, weight, layer):
    n, d = x.shape[0], s["head_dim"]

    def project(name, heads):
        y = x @ weight(name, layer).T
        bias = weight(name + "_bias", layer) if s["arch"] == "qwen2" else None
        return (y if bias is None else y + bias).reshape(n, heads, d)

    q, k, v = project("q", s["heads"]), project("k", s["kv_heads"]), project("v", s["kv_heads"])
    if s["arch"] in ("qwen3", "gemma3"):
        q = rms_norm(q, weight("q_norm", layer), s["eps"])
        k = rms_norm(k, weight("k_norm", layer), s["eps"])
    local = s["arch"] == "gemma3" and slides(s, layer)
    q, k = rotate(q, s, local), rotate(k, s, local)
    group = s["heads"] // s["kv_heads"]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("ihd,jhd->hij", q, k) * s["scale"]
    if s["attn_softcap"]:
        scores = s["attn_softcap"] * np.tanh(scores / s["attn_softcap"])
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    visible = j <= i
    if slides(s, layer):
        visible &= j > i - s["window"]
    scores = np.where(visible[None], scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    return np.einsum("hij,jhd->ihd", p, v).reshape(n, -1) @ weight("o", layer).T


def logits(path, tokens):
    s, weight = model_files.load(path)
    gemma = s["arch"].startswith("gemma")
    embedding = weight("embedding")
    x = embedding[np.array(tokens)]
    if gemma:
        x = x * math.sqrt(s["hidden"])
    for layer in range(s["layers"]):
        h = attention(rms_norm(x, weight("attn_norm", layer), s["eps"]), s, weight, layer)
        x = x + (rms_norm(h, weight("post_attn_norm", layer), s["eps"]) if gemma else h)
        h = rms_norm(x, weight("ffn_norm", layer), s["eps"])
        h = (gelu_tanh if gemma else silu)(h @ weight("gate", layer).T) * (h @ weight("up", layer).T)
        h = h @ weight("down", layer).T
        x = x + (rms_norm(h, weight("post_ffn_norm", layer), s["eps"]) if gemma else h)
    x = rms_norm(x, weight("output_norm"), s["eps"])
    output = weight("output")
    y = x @ (embedding if output is None else output).T
    return s["final_softcap"] * np.tanh(y / s["final_softcap"]) if s["final_softcap"] else y


def mean_nll(rows, tokens):
    """rows: logits of all positions but the last one's use; each predicts the next token."""
    rows = rows[:-1]
    top = rows.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(rows - top).sum(axis=-1)) + top[:, 0]
    return float(np.mean(log_sum - rows[np.arange(len(rows)), np.array(tokens[1:])]))
