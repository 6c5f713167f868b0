#!/usr/bin/env python3
"""Makes tests/model/golden: small random models, and LoRA gradients of them and of stories260K
by PyTorch + PEFT. Needs torch, transformers, peft, gguf, numpy.

    make_golden.py OUTPUT_FOLDER MODEL…    each of them random, odd, wide, or a GGUF's path

random: every plain type and the types of blocks of 32. odd: no size is a multiple of four but the
head's, 16-bit rows that begin inside a word, RoPE over a part of each head. wide: heads of 128,
types of blocks of 256, Llama 3's RoPE factors.

Adapter values, tokens and labels follow a formula (splitmix64 of a counter) that
tests/model/test_lora_gradients.c repeats, so only the results are stored: NAME.gradients.f32,
the losses of the supervised rows, then every tensor's gradient in the order of lora_parameters."""
import sys
import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

RANK, ALPHA = 4, 8.0
LINEARS = [("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
           ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
           ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj")]
SEGMENTS = [(0, 29, 11), (29, 43, 6)]   # begin, end, first supervised row inside the segment
MASK = (1 << 64) - 1
T = gguf.GGMLQuantizationType


def splitmix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def values(item, count, scale):
    """Multiples of 2^-23 in [-scale, scale): exact in f32."""
    words = [splitmix((item << 32) + i) >> 40 for i in range(count)]
    return (np.array(words, dtype=np.float64) / 2**23 - 1) * scale


class Writer:
    """A Llama in GGUF: the keys, then tensors of random values."""

    def __init__(self, path, name, seed, vocab, layers, hidden, ffn, heads, kv_heads, head_dim, rope):
        self.gguf = gguf.GGUFWriter(path, "llama")
        self.random = np.random.default_rng(seed)
        self.hidden, self.sizes = hidden, (ffn, heads * head_dim, kv_heads * head_dim)
        self.gguf.add_name(name)
        self.gguf.add_block_count(layers)
        self.gguf.add_context_length(256)
        self.gguf.add_embedding_length(hidden)
        self.gguf.add_feed_forward_length(ffn)
        self.gguf.add_head_count(heads)
        self.gguf.add_head_count_kv(kv_heads)
        if head_dim * heads != hidden:
            self.gguf.add_key_length(head_dim)
            self.gguf.add_value_length(head_dim)
        self.gguf.add_layer_norm_rms_eps(1e-5)
        self.gguf.add_rope_freq_base(10000.0)
        self.gguf.add_rope_dimension_count(rope)
        self.gguf.add_vocab_size(vocab)

    def matrix(self, name, rows, cols, kind):
        if kind in (T.Q4_K, T.Q6_K):
            self.gguf.add_tensor(name, self.blocks_of_256(rows, cols, kind), raw_dtype=kind)
            return
        data = (self.random.standard_normal((rows, cols)) / np.sqrt(cols)).astype(np.float32)
        self.gguf.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)

    def blocks_of_256(self, rows, cols, kind):
        """Random bits with scales that make values of the size 1 / sqrt(cols)."""
        count, size = rows * cols // 256, 144 if kind == T.Q4_K else 210
        blocks = self.random.integers(0, 256, (count, size)).astype(np.uint8)
        scale = (1 + self.random.random((count, 2))) / np.sqrt(cols)
        if kind == T.Q4_K:
            blocks[:, 0:4] = (scale / [200, 25]).astype(np.float16).view(np.uint8).reshape(count, 4)
        else:
            blocks[:, 208:] = (scale[:, :1] / 1500).astype(np.float16).view(np.uint8)
        return blocks.reshape(rows, cols // 256 * size)

    def norm(self, name):
        scale = 1 + 0.2 * self.random.standard_normal(self.hidden)
        self.gguf.add_tensor(name, scale.astype(np.float32))

    def layer(self, i, kinds):
        ffn, q, kv = self.sizes
        for norm in ("attn_norm", "ffn_norm"):
            self.norm(f"blk.{i}.{norm}.weight")
        shapes = [(q, self.hidden), (kv, self.hidden), (kv, self.hidden), (self.hidden, q),
                  (ffn, self.hidden), (ffn, self.hidden), (self.hidden, ffn)]
        for (name, _), (rows, cols), kind in zip(LINEARS, shapes, kinds):
            self.matrix(f"blk.{i}.{name}.weight", rows, cols, kind)

    def close(self):
        self.norm("output_norm.weight")
        self.gguf.write_header_to_file()
        self.gguf.write_kv_data_to_file()
        self.gguf.write_tensors_to_file()
        self.gguf.close()


def random_model(path):
    """Two layers, every weight type a training run may meet; norms are not all one."""
    writer = Writer(path, "random-2-layers", 7, 160, 2, 64, 96, 4, 2, 16, 16)
    writer.matrix("token_embd.weight", 160, 64, T.Q8_0)
    for i in range(2):
        writer.layer(i, [T.Q4_1, T.Q4_0, T.F16, T.Q5_0, T.Q8_0, T.BF16, T.F32])
    writer.close()


def odd_model(path):
    writer = Writer(path, "odd-sizes", 8, 163, 1, 51, 75, 3, 1, 20, 12)
    writer.matrix("token_embd.weight", 163, 51, T.F16)
    writer.layer(0, [T.F16, T.F32, T.BF16, T.F16, T.BF16, T.F16, T.F32])
    writer.matrix("output.weight", 163, 51, T.BF16)
    writer.close()


def wide_model(path):
    writer = Writer(path, "wide-heads", 9, 64, 1, 256, 256, 2, 1, 128, 128)
    writer.gguf.add_tensor("rope_freqs.weight", np.repeat(np.float32([1, 1.5, 4, 8]), 16))
    writer.matrix("token_embd.weight", 64, 256, T.Q6_K)
    writer.layer(0, [T.Q4_K, T.Q6_K, T.Q6_K, T.Q4_K, T.Q4_K, T.Q4_K, T.Q6_K])
    writer.close()


def turned(rows, heads, rope, to_halves):
    """The first `rope` rows of each head, from adjacent pairs to the halves of Hugging Face or
    back; the rest of a head stays."""
    each = rows.reshape(heads, -1, *rows.shape[1:])
    shape = (heads, rope // 2, 2) if to_halves else (heads, 2, rope // 2)
    turning = each[:, :rope].reshape(*shape, *rows.shape[1:]).swapaxes(1, 2)
    turning = turning.reshape(heads, rope, *rows.shape[1:])
    return np.concatenate([turning, each[:, rope:]], axis=1).reshape(rows.shape)


def turn_a_part(model, rope, base, factors):
    """Hugging Face's Llama turns whole heads: here the first `rope` values, with these factors."""
    whole = modeling_llama.apply_rotary_pos_emb

    def part(q, k, cos, sin, *rest, **options):
        turned_q, turned_k = whole(q[..., :rope], k[..., :rope], cos[..., :rope], sin[..., :rope])
        return (torch.cat([turned_q, q[..., rope:]], -1), torch.cat([turned_k, k[..., rope:]], -1))

    if rope < model.config.head_dim:
        modeling_llama.apply_rotary_pos_emb = part
    elif np.isscalar(factors):
        return
    model.model.rotary_emb.inv_freq = torch.tensor(
        base ** -(np.arange(0, rope, 2) / rope) / factors, dtype=torch.float32)


def load(path):
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields["llama." + key].contents()
    known = lambda key: "llama." + key in reader.fields
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape(
        tuple(reversed(t.shape))).astype(np.float64) for t in reader.tensors}
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    head_dim = (field("attention.key_length") if known("attention.key_length")
                else field("embedding_length") // heads)
    rope = field("rope.dimension_count")
    config = LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0], hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        rope_theta=field("rope.freq_base"), max_position_embeddings=field("context_length"),
        tie_word_embeddings="output.weight" not in tensors, attn_implementation="eager")
    model = LlamaForCausalLM(config).double()
    names = {"model.embed_tokens.weight": "token_embd.weight",
             "model.norm.weight": "output_norm.weight", "lm_head.weight": "output.weight"}
    for i in range(config.num_hidden_layers):
        names[f"model.layers.{i}.input_layernorm.weight"] = f"blk.{i}.attn_norm.weight"
        names[f"model.layers.{i}.post_attention_layernorm.weight"] = f"blk.{i}.ffn_norm.weight"
        for short, long in LINEARS:
            names[f"model.layers.{i}.{long}.weight"] = f"blk.{i}.{short}.weight"
    state = {}
    for name in model.state_dict():
        source = names[name]
        if source == "output.weight" and source not in tensors:
            source = "token_embd.weight"
        data = tensors[source]
        if "attn_q" in source:
            data = turned(data, heads, rope, True)
        if "attn_k" in source:
            data = turned(data, kv_heads, rope, True)
        state[name] = torch.from_numpy(np.ascontiguousarray(data))
    model.load_state_dict(state)
    turn_a_part(model, rope, field("rope.freq_base"), tensors.get("rope_freqs.weight", 1.0))
    return model, config, rope


def gradients(path, out):
    whole = modeling_llama.apply_rotary_pos_emb
    model, config, rope = load(path)
    model = get_peft_model(model, LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=[long.split(".")[1] for _, long in LINEARS],
        lora_dropout=0.0)).double()
    parameters = dict(model.named_parameters())
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    order, item = [], 0
    for i in range(config.num_hidden_layers):
        for short, long in LINEARS:
            for half in "AB":
                p = parameters[f"base_model.model.model.layers.{i}.{long}.lora_{half}.default.weight"]
                data = values(item, p.numel(), 0.25).reshape(tuple(p.shape))
                if half == "B" and short in heads:
                    data = turned(data, heads[short], rope, True)
                p.data.copy_(torch.from_numpy(np.ascontiguousarray(data)))
                order.append((p, heads.get(short) if half == "B" else None))
                item += 1
    tokens = [splitmix((1 << 48) + i) % config.vocab_size for i in range(SEGMENTS[-1][1] + 1)]
    losses = []
    for begin, end, first in SEGMENTS:
        logits = model(torch.tensor([tokens[begin:end]])).logits[0]
        for row in range(begin + first, end):
            losses.append(torch.nn.functional.cross_entropy(
                logits[row - begin:row - begin + 1], torch.tensor([tokens[row + 1]])))
    torch.stack(losses).mean().backward()
    result = [np.array([loss.item() for loss in losses])]
    for p, count in order:
        grad = p.grad.numpy()
        result.append((turned(grad, count, rope, False) if count else grad).reshape(-1))
    np.concatenate(result).astype("<f4").tofile(out)
    print(out, "mean loss", float(np.mean(result[0])))
    modeling_llama.apply_rotary_pos_emb = whole


def main(folder, names):
    makers = {"random": random_model, "odd": odd_model, "wide": wide_model}
    for name in names:
        path = name
        if name in makers:
            path = f"{folder}/{name}.gguf"
            makers[name](path)
        short = path.rsplit("/", 1)[-1].removesuffix(".gguf").removesuffix("-f32")
        gradients(path, f"{folder}/{short}.gradients.f32")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
