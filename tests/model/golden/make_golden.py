#!/usr/bin/env python3
"""Makes tests/model/golden: a small random model of mixed types, and LoRA gradients of it and
of stories260K by PyTorch + PEFT. Needs torch, transformers, peft, gguf, numpy.

    make_golden.py STORIES260K_GGUF OUTPUT_FOLDER

Adapter values, tokens and labels follow a formula (splitmix64 of a counter) that
tests/model/test_lora_gradients.c repeats, so only the results are stored: NAME.gradients.f32,
the losses of the supervised rows, then every tensor's gradient in the order of lora_parameters."""
import sys
import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

RANK, ALPHA = 4, 8.0
LINEARS = [("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"),
           ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
           ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj")]
SEGMENTS = [(0, 29, 11), (29, 44, 6)]   # begin, end, first supervised row inside the segment
MASK = (1 << 64) - 1


def splitmix(x):
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def values(item, count, scale):
    """Multiples of 2^-23 in [-scale, scale): exact in f32."""
    words = [splitmix((item << 32) + i) >> 40 for i in range(count)]
    return (np.array(words, dtype=np.float64) / 2**23 - 1) * scale


def random_model(path):
    """Two layers, every weight type a training run may meet; norms are not all one."""
    hidden, ffn, vocab, layers, heads, kv_heads = 64, 96, 160, 2, 4, 2
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random-2-layers")
    writer.add_block_count(layers)
    writer.add_context_length(256)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_vocab_size(vocab)
    generator = np.random.default_rng(7)
    T = gguf.GGMLQuantizationType

    def add(name, rows, cols, kind):
        data = (generator.standard_normal((rows, cols)) / np.sqrt(cols)).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)

    kv = hidden // heads * kv_heads
    add("token_embd.weight", vocab, hidden, T.Q8_0)
    for i in range(layers):
        for norm in ("attn_norm", "ffn_norm"):
            scale = 1 + 0.2 * generator.standard_normal(hidden)
            writer.add_tensor(f"blk.{i}.{norm}.weight", scale.astype(np.float32))
        add(f"blk.{i}.attn_q.weight", hidden, hidden, T.Q4_1)
        add(f"blk.{i}.attn_k.weight", kv, hidden, T.Q4_0)
        add(f"blk.{i}.attn_v.weight", kv, hidden, T.F16)
        add(f"blk.{i}.attn_output.weight", hidden, hidden, T.Q5_0)
        add(f"blk.{i}.ffn_gate.weight", ffn, hidden, T.Q8_0)
        add(f"blk.{i}.ffn_up.weight", ffn, hidden, T.BF16)
        add(f"blk.{i}.ffn_down.weight", hidden, ffn, T.F32)
    writer.add_tensor("output_norm.weight",
                      (1 + 0.2 * generator.standard_normal(hidden)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_halves(rows, heads):
    """Rows permuted for adjacent-pair RoPE back to the halves of Hugging Face."""
    shape = rows.shape
    return rows.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def to_pairs(rows, heads):
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def load(path):
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields["llama." + key].contents()
    tensors = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape(
        tuple(reversed(t.shape))).astype(np.float64) for t in reader.tensors}
    heads, kv_heads = field("attention.head_count"), field("attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0], hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"), num_hidden_layers=field("block_count"),
        num_attention_heads=heads, num_key_value_heads=kv_heads,
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
            data = to_halves(data, heads)
        if "attn_k" in source:
            data = to_halves(data, kv_heads)
        state[name] = torch.from_numpy(np.ascontiguousarray(data))
    model.load_state_dict(state)
    return model, config


def gradients(path, out):
    model, config = load(path)
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
                    data = to_halves(data, heads[short])
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
        result.append((to_pairs(grad, count) if count else grad).reshape(-1))
    np.concatenate(result).astype("<f4").tofile(out)
    print(out, "mean loss", float(np.mean(result[0])))


if __name__ == "__main__":
    folder = sys.argv[2]
    random_model(f"{folder}/random.gguf")
    gradients(f"{folder}/random.gguf", f"{folder}/random.gradients.f32")
    gradients(sys.argv[1], f"{folder}/stories260K.gradients.f32")
