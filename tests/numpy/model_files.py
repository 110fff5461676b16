"""Reads GGUF files and safetensors folders with NumPy alone, for the reference forward. Shares nothing with the C++.

A model comes back as a dict of settings and a function `weight(name, layer)` that gives float64 arrays in the
convention of the published models: rotary halves apart (not interleaved), Gemma's norms with their 1 added.
"""
import json
import math
import os
import struct

import numpy as np

# ---------------------------------------------------------------- GGUF


def f16(raw):
    return raw.copy().view(np.float16).astype(np.float64)


def dequantise_32(kind, raw):
    """Types with blocks of 32. raw: uint8 [blocks, bytes] -> float64 [blocks, 32]."""
    d = f16(raw[:, 0:2])
    if kind == "q8_0":
        return d * raw[:, 2:34].view(np.int8)
    if kind == "q4_0":
        q = raw[:, 2:18]
        return d * (np.concatenate([q & 15, q >> 4], axis=1).astype(np.int32) - 8)
    if kind == "q4_1":
        q = raw[:, 4:20]
        return d * np.concatenate([q & 15, q >> 4], axis=1) + f16(raw[:, 2:4])
    at = 2 if kind == "q5_0" else 4
    high = np.unpackbits(raw[:, at:at + 4].copy(), axis=1, bitorder="little").astype(np.int32)
    q = raw[:, at + 4:at + 20]
    value = np.concatenate([q & 15, q >> 4], axis=1).astype(np.int32) | (high << 4)
    return d * (value - 16) if kind == "q5_0" else d * value + f16(raw[:, 2:4])


def scales_and_minimums(packed):
    """The 12 bytes of q4_k and q5_k: eight 6-bit scales and eight 6-bit minimums."""
    s = packed.astype(np.int32)
    scale = np.concatenate([s[:, 0:4] & 63, (s[:, 8:12] & 15) | ((s[:, 0:4] >> 6) << 4)], axis=1)
    minimum = np.concatenate([s[:, 4:8] & 63, (s[:, 8:12] >> 4) | ((s[:, 4:8] >> 6) << 4)], axis=1)
    return scale, minimum


def dequantise_256(kind, raw):
    """The k-types: superblocks of 256. raw: uint8 [blocks, bytes] -> float64 [blocks, 256]."""
    n = raw.shape[0]
    if kind == "q6_k":
        low = raw[:, 0:128].reshape(n, 2, 2, 32)  # half, row of 32, byte
        high = raw[:, 128:192].reshape(n, 2, 1, 32)
        scale = raw[:, 192:208].copy().view(np.int8).reshape(n, 2, 4, 2)
        nibbles = np.concatenate([low & 15, low >> 4], axis=2)  # half, quarter, 32
        bits = np.concatenate([(high >> s) & 3 for s in (0, 2, 4, 6)], axis=2)
        q = (nibbles.astype(np.int32) | (bits.astype(np.int32) << 4)) - 32
        q = q.reshape(n, 2, 4, 2, 16) * scale[..., None].astype(np.float64)
        return f16(raw[:, 208:210]) * q.reshape(n, 256)
    d, dmin = f16(raw[:, 0:2]), f16(raw[:, 2:4])
    scale, minimum = scales_and_minimums(raw[:, 4:16])
    if kind == "q4_k":
        q = raw[:, 16:144].reshape(n, 4, 1, 32)
        value = np.concatenate([q & 15, q >> 4], axis=2).reshape(n, 8, 32).astype(np.int32)
    else:
        high = raw[:, 16:48].reshape(n, 1, 32)
        q = raw[:, 48:176].reshape(n, 4, 1, 32)
        value = np.concatenate([q & 15, q >> 4], axis=2).reshape(n, 8, 32).astype(np.int32)
        bit = np.concatenate([(high >> s) & 1 for s in range(8)], axis=1).astype(np.int32)
        value = value | (bit << 4)
    y = (d * scale)[:, :, None] * value - (dmin * minimum)[:, :, None]
    return y.reshape(n, 256)


BLOCKS = {"q8_0": (32, 34), "q4_0": (32, 18), "q4_1": (32, 20), "q5_0": (32, 22), "q5_1": (32, 24),
          "q4_k": (256, 144), "q5_k": (256, 176), "q6_k": (256, 210)}
GGUF_TYPES = {0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 6: "q5_0", 7: "q5_1", 8: "q8_0", 12: "q4_k", 13: "q5_k",
              14: "q6_k", 30: "bf16"}


def dequantise(kind, raw, shape):
    if kind == "f32":
        return raw.view(np.float32).astype(np.float64).reshape(shape)
    if kind == "f16":
        return f16(raw).reshape(shape)
    if kind == "bf16":
        wide = raw.view(np.uint16).astype(np.uint32) << 16
        return wide.view(np.float32).astype(np.float64).reshape(shape)
    elements, size = BLOCKS[kind]
    raw = raw.reshape(-1, size)
    y = dequantise_32(kind, raw) if elements == 32 else dequantise_256(kind, raw)
    return y.reshape(shape)


class Gguf:
    SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

    def __init__(self, path):
        self.bytes = np.memmap(path, dtype=np.uint8, mode="r")
        self.at = 0
        magic, version = self.take("<I"), self.take("<I")
        assert magic == 0x46554747 and version in (2, 3)
        tensors, keys = self.take("<Q"), self.take("<Q")
        self.keys = {}
        for _ in range(keys):
            name = self.text()
            self.keys[name] = self.value(self.take("<I"))
        table = []
        for _ in range(tensors):
            name = self.text()
            dims = [self.take("<Q") for _ in range(self.take("<I"))]
            kind = GGUF_TYPES[self.take("<I")]
            table.append((name, dims[::-1], kind, self.take("<Q")))
        alignment = self.keys.get("general.alignment", 32)
        start = (self.at + alignment - 1) // alignment * alignment
        self.tensors = {name: (dims, kind, start + offset) for name, dims, kind, offset in table}

    def take(self, form):
        size = struct.calcsize(form)
        value = struct.unpack(form, self.bytes[self.at:self.at + size].tobytes())[0]
        self.at += size
        return value

    def text(self):
        size = self.take("<Q")
        self.at += size
        return self.bytes[self.at - size:self.at].tobytes().decode("utf-8", "replace")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.take(self.SCALARS[kind])

    def read(self, name):
        dims, kind, offset = self.tensors[name]
        count = math.prod(dims)
        elements, size = BLOCKS.get(kind, (1, {"f32": 4, "f16": 2, "bf16": 2}.get(kind)))
        raw = np.array(self.bytes[offset:offset + count // elements * size])
        return dequantise(kind, raw, dims)


GGUF_NAMES = {
    "embedding": "token_embd.weight", "output_norm": "output_norm.weight", "output": "output.weight",
    "attn_norm": "blk.{}.attn_norm.weight", "q": "blk.{}.attn_q.weight", "k": "blk.{}.attn_k.weight",
    "v": "blk.{}.attn_v.weight", "q_bias": "blk.{}.attn_q.bias", "k_bias": "blk.{}.attn_k.bias",
    "v_bias": "blk.{}.attn_v.bias", "qkv": "blk.{}.attn_qkv.weight", "q_norm": "blk.{}.attn_q_norm.weight",
    "k_norm": "blk.{}.attn_k_norm.weight", "o": "blk.{}.attn_output.weight",
    "post_attn_norm": "blk.{}.post_attention_norm.weight", "ffn_norm": "blk.{}.ffn_norm.weight",
    "gate": "blk.{}.ffn_gate.weight", "up": "blk.{}.ffn_up.weight", "down": "blk.{}.ffn_down.weight",
    "post_ffn_norm": "blk.{}.post_ffw_norm.weight"}


def halves_apart(w, heads):
    """Undoes GGUF's order of rotary rows (pairs side by side): rows of each head back to two halves."""
    rows, columns = w.shape
    return w.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def load_gguf(path):
    file = Gguf(path)
    arch = file.keys["general.architecture"]

    def key(name, default=None):
        value = file.keys.get(f"{arch}.{name}", default)
        assert value is not None, name
        return value

    heads, hidden = key("attention.head_count"), key("embedding_length")
    head_dim = key("attention.key_length", hidden // heads)
    s = {
        "arch": arch, "layers": key("block_count"), "heads": heads, "hidden": hidden,
        "kv_heads": key("attention.head_count_kv", heads), "head_dim": head_dim, "ffn": key("feed_forward_length"),
        "eps": key("attention.layer_norm_rms_epsilon"), "theta": key("rope.freq_base", 10000.0),
        "rope_dims": key("rope.dimension_count", head_dim), "context": key("context_length"),
        "window": key("attention.sliding_window", 0), "scaling": {"type": key("rope.scaling.type", "none")},
        "attn_softcap": 0.0, "final_softcap": 0.0, "scale": head_dim ** -0.5,
    }
    if s["scaling"]["type"] in ("linear", "yarn"):
        s["scaling"] |= {"factor": key("rope.scaling.factor"), "original": key("rope.scaling.original_context_length", 0)}
    if "rope_freqs.weight" in file.tensors:
        s["scaling"] = {"type": "divide", "by": file.read("rope_freqs.weight")}
    if "rope_factors_long.weight" in file.tensors:
        original = key("rope.scaling.original_context_length")
        which = "long" if s["context"] > original else "short"
        s["scaling"] = {"type": "divide", "by": file.read(f"rope_factors_{which}.weight"),
                        "attention": key("rope.scaling.attn_factor", 1.0)}
    if arch == "gemma2":
        s |= {"attn_softcap": key("attn_logit_softcapping", 50.0), "final_softcap": key("final_logit_softcapping", 30.0)}
    if arch in ("gemma2", "gemma3"):
        s["scale"] = key("attention.scale", head_dim ** -0.5)

    def weight(name, layer=0):
        if arch == "phi3" and name in ("q", "k", "v", "gate", "up"):
            return split_fused(s, lambda fused: weight(fused, layer), name, "qkv", "up_fused")
        place = GGUF_NAMES.get("up" if name == "up_fused" else name).format(layer)
        if place not in file.tensors:
            return None
        w = file.read(place)
        if arch == "llama" and name in ("q", "k"):
            w = halves_apart(w, s["heads"] if name == "q" else s["kv_heads"])
        return w

    return s, weight


# ---------------------------------------------------------------- safetensors

HF_NAMES = {
    "embedding": "model.embed_tokens.weight", "output_norm": "model.norm.weight", "output": "lm_head.weight",
    "attn_norm": "model.layers.{}.input_layernorm.weight", "q": "model.layers.{}.self_attn.q_proj.weight",
    "k": "model.layers.{}.self_attn.k_proj.weight", "v": "model.layers.{}.self_attn.v_proj.weight",
    "q_bias": "model.layers.{}.self_attn.q_proj.bias", "k_bias": "model.layers.{}.self_attn.k_proj.bias",
    "v_bias": "model.layers.{}.self_attn.v_proj.bias", "qkv": "model.layers.{}.self_attn.qkv_proj.weight",
    "q_norm": "model.layers.{}.self_attn.q_norm.weight", "k_norm": "model.layers.{}.self_attn.k_norm.weight",
    "o": "model.layers.{}.self_attn.o_proj.weight", "ffn_norm": "model.layers.{}.post_attention_layernorm.weight",
    "gate": "model.layers.{}.mlp.gate_proj.weight", "up": "model.layers.{}.mlp.up_proj.weight",
    "gate_up": "model.layers.{}.mlp.gate_up_proj.weight", "down": "model.layers.{}.mlp.down_proj.weight"}
GEMMA_NAMES = HF_NAMES | {
    "post_attn_norm": "model.layers.{}.post_attention_layernorm.weight",
    "ffn_norm": "model.layers.{}.pre_feedforward_layernorm.weight",
    "post_ffn_norm": "model.layers.{}.post_feedforward_layernorm.weight"}
CLASSES = {"LlamaForCausalLM": "llama", "MistralForCausalLM": "mistral", "Qwen2ForCausalLM": "qwen2",
           "Qwen3ForCausalLM": "qwen3", "Gemma2ForCausalLM": "gemma2", "Gemma3ForCausalLM": "gemma3",
           "Phi3ForCausalLM": "phi3"}


def read_safetensors(path):
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    size = int(raw[:8].view(np.uint64)[0])
    header = json.loads(raw[8:8 + size].tobytes())
    header.pop("__metadata__", None)
    return {name: (entry["dtype"].lower(), entry["shape"],
                   np.array(raw[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]))
            for name, entry in header.items()}


def load_safetensors(folder):
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    index = os.path.join(folder, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if os.path.exists(index):
        with open(index) as f:
            files = sorted(set(json.load(f)["weight_map"].values()))
    tensors = {}
    for name in files:
        tensors |= read_safetensors(os.path.join(folder, name))

    arch = CLASSES[config["architectures"][0]]
    gemma = arch.startswith("gemma")
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim", config["hidden_size"] // heads)
    s = {
        "arch": arch, "layers": config["num_hidden_layers"], "heads": heads, "hidden": config["hidden_size"],
        "kv_heads": config["num_key_value_heads"], "head_dim": head_dim, "ffn": config["intermediate_size"],
        "eps": config["rms_norm_eps"], "theta": config["rope_theta"],
        "rope_dims": int(head_dim * config.get("partial_rotary_factor", 1.0)),
        "context": config["max_position_embeddings"], "window": config.get("sliding_window") or 0,
        "scaling": {"type": "none"}, "attn_softcap": 0.0, "final_softcap": 0.0, "scale": head_dim ** -0.5,
        "theta_local": config.get("rope_local_base_freq", 10000.0),
    }
    if gemma:
        s["scale"] = config["query_pre_attn_scalar"] ** -0.5
    if arch == "gemma2":
        s |= {"attn_softcap": config["attn_logit_softcapping"], "final_softcap": config["final_logit_softcapping"]}
    scaling = config.get("rope_scaling")
    if scaling:
        kind = scaling.get("rope_type", scaling.get("type"))
        if kind == "longrope":
            original = config["original_max_position_embeddings"]
            ratio = s["context"] / original
            s["scaling"] = {"type": "divide",
                            "by": np.array(scaling["long_factor" if ratio > 1 else "short_factor"], dtype=np.float64),
                            "attention": math.sqrt(1 + math.log(ratio) / math.log(original)) if ratio > 1 else 1.0}
        else:
            s["scaling"] = {"type": kind, "factor": scaling["factor"],
                            "original": scaling.get("original_max_position_embeddings", s["context"]),
                            "low": scaling.get("low_freq_factor"), "high": scaling.get("high_freq_factor")}

    def weight(name, layer=0):
        if arch == "phi3" and name in ("q", "k", "v", "gate", "up"):
            return split_fused(s, lambda fused: weight(fused, layer), name, "qkv", "gate_up")
        place = (GEMMA_NAMES if gemma else HF_NAMES).get(name)
        if place is None or place.format(layer) not in tensors:
            return None
        kind, shape, raw = tensors[place.format(layer)]
        w = dequantise(kind, raw, shape)
        return w + 1.0 if gemma and name.endswith("norm") else w

    return s, weight


def split_fused(s, weight, name, qkv, gate_up):
    q, kv = s["heads"] * s["head_dim"], s["kv_heads"] * s["head_dim"]
    first, count = {"q": (0, q), "k": (q, kv), "v": (q + kv, kv), "gate": (0, s["ffn"]), "up": (s["ffn"], s["ffn"])}[name]
    return weight(qkv if name in "qkv" else gate_up)[first:first + count]


def load(path):
    s, weight = load_safetensors(path) if os.path.isdir(path) else load_gguf(path)
    s.setdefault("theta_local", 10000.0)
    return s, weight
