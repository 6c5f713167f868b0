#!/usr/bin/env python3
"""How fast Timbre is beside PyTorch on the same device, in one run: a product of matrices, fused
attention, a LoRA training step, and every memory-bound kernel against the copy roof.

    speed.py BUILD [--device N] [--shapes smollm2,llama-1b] [--size N] [--json FILE]

BUILD is a build folder of Timbre. Needs torch; for the training step also transformers and peft.
PyTorch uses CUDA (or ROCm) where it has it, with f16 and bf16, else the processor with f32; Timbre
the Vulkan device it chooses or --device. Both must be the same card for the ratios to mean anything:
the names are printed. Called by tools/devices-table compare."""
import argparse
import datetime
import json
import math
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import warnings

os.environ.update(TRANSFORMERS_VERBOSITY="error", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
import torch

ON_CARD = torch.cuda.is_available()
TORCH_DEVICE = "cuda" if ON_CARD else "cpu"
FLOATS = torch.float16 if ON_CARD else torch.float32
ROW_TOKENS, RANK = 512, 16   # as tools/bench trains

# name: layers, hidden, feed-forward, heads, kv heads, head size, vocabulary
SHAPES = {"smollm2": (30, 576, 1536, 9, 3, 64, 49152), "llama-1b": (16, 2048, 8192, 32, 8, 64, 128256)}
# name: rows, heads, kv heads, head size
ATTENTION = {"SmolLM2, 512 rows": (512, 9, 3, 64), "Llama 3.2 1B, 2048 rows": (2048, 32, 8, 64),
             "Llama 3.1 8B, 2048 rows": (2048, 32, 8, 128)}
MEMORY_BOUND = ("add rmsnorm_* add_rmsnorm_* swiglu_* rope_* softmax_* cross_entropy_* adamw expand_* "
                "cast_* gather_rows scatter_rows kv_append matvec_* embedding_fwd_*").split()


def bits(value):
    """A float as the word that --push takes."""
    return struct.unpack("I", struct.pack("f", value))[0]


class Timbre:
    def __init__(self, build, device):
        self.build = build
        self.device = ["--device", device] if device else []

    def bench(self, kernels, case, push=None):
        """Records of kernel-check --bench; none when no row of that name runs here. Without a case it
        measures what is large enough for a card."""
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [f"{self.build}/tools/kernel_check/kernel-check", "--bench", "--kernel", kernels,
                       "--json", file.name, *self.device]
            if case:
                command += ["--case", case]
            if push:
                command += ["--push", ",".join(str(word) for word in push)]
            result = subprocess.run(command, capture_output=True, text=True)
            self.header = re.findall(r"^(?:device|roof): .*", result.stdout, re.M) or ["", ""]
            try:
                records = json.load(open(file.name))
            except ValueError:
                return []
        return [record for record in records if record.get("seconds")]

    def fastest(self, kernels, case, push):
        """The fastest row that matches one of `kernels`, or None."""
        found = [record for glob in kernels for record in self.bench(glob, case, push)]
        return min(found, key=lambda record: record["seconds"], default=None)

    def training(self, model, steps):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [f"{self.build}/tools/bench_run/bench-run", model, "--steps", str(steps),
                       "--json", file.name, *self.device]
            result = subprocess.run(command, capture_output=True, text=True)
            if result.returncode:
                sys.exit(f"bench-run fails on {model}:\n{result.stderr}")
            return json.load(open(file.name))


def torch_seconds(work, least=0.5):
    """Median wall seconds of one call, after a warm-up; at least five calls and `least` seconds."""
    def once():
        start = time.perf_counter()
        work()
        if ON_CARD:
            torch.cuda.synchronize()
        return time.perf_counter() - start
    for _ in range(3 if ON_CARD else 1):
        once()
    times = []
    while len(times) < 5 or sum(times) < least:
        times.append(once())
    return statistics.median(times)


class Table:
    def __init__(self):
        self.rows = []

    def add(self, what, timbre, torch_value, unit, note=""):
        ratio = timbre / torch_value if torch_value else None
        self.rows.append({"what": what, "timbre": timbre, "torch": torch_value, "unit": unit,
                          "ratio": ratio, "note": note})
        theirs, share = (f"{torch_value:.1f}", f"{ratio:.0%}") if torch_value else ("", "")
        print(f"{what:58} {timbre:10.1f} {theirs:>10} {unit:9} {share:>6}  {note}", flush=True)


def compare_matmul(timbre, table, size):
    a = torch.randn(size, size, device=TORCH_DEVICE)
    b = torch.randn(size, size, device=TORCH_DEVICE)
    push = [size] * 6 + [0, 0, 0, bits(1.0), 0]
    torch.backends.cuda.matmul.allow_tf32 = False
    kinds = [("f32", torch.float32, ["matmul_nt_cpu_*"] if timbre.cpu else ["matmul_nt_tile"], "down")]
    if not timbre.cpu:
        kinds.append(("f16 to f32", torch.float16, ["matmul_nt_half_coopmat"], "long"))
    for name, floats, kernels, case in kinds:
        record = timbre.fastest(kernels, case, push)
        x, y = a.to(floats), b.to(floats)
        seconds = torch_seconds(lambda: x @ y.T)
        if record:
            flops = 2 * size ** 3
            table.add(f"matmul {size} x {size} x {size}, {name}", flops / record["seconds"] / 1e9,
                      flops / seconds / 1e9, "GFLOP/s",
                      f"{record['kernel']}, {record['roof_share']:.0%} of our roof")


def compare_attention(timbre, table):
    suffixes = ["_lanes"] if timbre.cpu else ["_tile", "_coopmat"]
    for name, (rows, heads, kv_heads, head_dim) in ATTENTION.items():
        if timbre.cpu and rows > 512:
            continue
        scale = 1 / math.sqrt(head_dim)
        push = [rows, rows, heads, kv_heads, head_dim, bits(scale), 0]
        parts = [timbre.fastest(kernels, "smollm2 whole", push) for kernels in
                 (["attention_fwd" + s for s in suffixes], ["attention_bwd_q" + s for s in suffixes],
                  ["attention_bwd_kv" + s for s in suffixes])]
        sums = timbre.fastest(["attention_bwd_d*"], "smollm2", push)
        q, k, v = (torch.randn(1, count, rows, head_dim, device=TORCH_DEVICE, dtype=FLOATS, requires_grad=True)
                   for count in (heads, kv_heads, kv_heads))
        gradient = torch.randn(1, heads, rows, head_dim, device=TORCH_DEVICE, dtype=FLOATS)

        def forward():
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale,
                                                                    enable_gqa=True)

        def both():
            torch.autograd.grad(forward(), (q, k, v), gradient)
        flops = 2 * rows * (rows + 1) / 2 * heads * head_dim
        if not all(parts) or not sums:
            print(f"attention, {name}: no row of Timbre runs")
            continue
        table.add(f"attention forward, {name}, heads of {head_dim}", 2 * flops / parts[0]["seconds"] / 1e9,
                  2 * flops / torch_seconds(forward) / 1e9, "GFLOP/s", parts[0]["kernel"])
        ours = sum(part["seconds"] for part in parts) + sums["seconds"]
        table.add(f"attention forward and backward, {name}", 7 * flops / ours / 1e9,
                  7 * flops / torch_seconds(both) / 1e9, "GFLOP/s", ", ".join(part["kernel"] for part in parts[1:]))


def make_model(shape):
    """A model of random weights, as transformers builds it."""
    from transformers import LlamaConfig, LlamaForCausalLM
    layers, hidden, ffn, heads, kv_heads, head_dim, vocabulary = shape
    config = LlamaConfig(hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers,
                         num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim,
                         vocab_size=vocabulary, tie_word_embeddings=True, max_position_embeddings=2048)
    torch.manual_seed(1)
    return LlamaForCausalLM(config).to(TORCH_DEVICE, torch.bfloat16 if ON_CARD else torch.float32)


def write_gguf(path, shape):
    """The same shape for Timbre: f16 weights, all random (GGUF version 3; F32 is type 0, F16 type 1)."""
    layers, hidden, ffn, heads, kv_heads, head_dim, vocabulary = shape
    numbers = {"block_count": layers, "embedding_length": hidden, "feed_forward_length": ffn,
               "attention.head_count": heads, "attention.head_count_kv": kv_heads,
               "attention.key_length": head_dim, "attention.value_length": head_dim, "context_length": 2048}
    tensors = [("token_embd", hidden, vocabulary), ("output_norm", hidden, 0)]
    for layer in range(layers):
        tensors += [(f"blk.{layer}.{name}", columns, rows) for name, columns, rows in
                    (("attn_norm", hidden, 0), ("attn_q", hidden, heads * head_dim),
                     ("attn_k", hidden, kv_heads * head_dim), ("attn_v", hidden, kv_heads * head_dim),
                     ("attn_output", heads * head_dim, hidden), ("ffn_norm", hidden, 0),
                     ("ffn_gate", hidden, ffn), ("ffn_up", hidden, ffn), ("ffn_down", ffn, hidden))]

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()
    header = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(numbers) + 2),
              text("general.architecture"), struct.pack("<I", 8), text("llama"),
              text("llama.attention.layer_norm_rms_epsilon"), struct.pack("<If", 6, 1e-5)]
    header += [text("llama." + key) + struct.pack("<II", 4, value) for key, value in numbers.items()]
    offset = 0
    for name, columns, rows in tensors:
        sizes = (columns, rows) if rows else (columns,)
        header.append(text(name + ".weight") + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes,
                                                           1 if rows else 0, offset))
        offset += -(-columns * (2 * rows or 4) // 32) * 32
    header = b"".join(header)
    with open(path, "wb") as file:
        file.write(header + bytes(-len(header) % 32))
        for _, columns, rows in tensors:
            values = torch.randn(rows, columns).mul_(0.02).half() if rows else torch.ones(columns)
            data = values.numpy().tobytes()
            file.write(data + bytes(-len(data) % 32))


def torch_training(model, steps):
    """Tokens a second of a LoRA step: rows of ROW_TOKENS, half of them supervised, AdamW."""
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"))
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    ids = torch.randint(0, model.config.vocab_size, (1, ROW_TOKENS), device=TORCH_DEVICE)
    labels = torch.where(torch.arange(ROW_TOKENS, device=TORCH_DEVICE) % 2 == 1, ids, -100)
    for step in range(steps):
        if step == 2:   # the first ones warm up
            if ON_CARD:
                torch.cuda.synchronize()
            start = time.perf_counter()
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    loss.item()
    return ROW_TOKENS * (steps - 2) / (time.perf_counter() - start)


def compare_training(timbre, table, name, steps):
    layers, hidden, ffn, heads, kv_heads, head_dim, _ = SHAPES[name]
    theirs = torch_training(make_model(SHAPES[name]), steps)
    with tempfile.TemporaryDirectory() as folder:
        write_gguf(os.path.join(folder, "random.gguf"), SHAPES[name])
        figures = timbre.training(os.path.join(folder, "random.gguf"), steps)
    ours = figures["train_tokens_per_second"]
    weights = layers * hidden * (2 * heads * head_dim + 2 * kv_heads * head_dim + 3 * ffn)
    rate = 4 * weights * ours / 1e9   # forward and the gradient of the input: 2 FLOP a weight each
    table.add(f"training, {name}, LoRA r{RANK}, rows of {ROW_TOKENS}", ours, theirs, "tok/s",
              f"about {rate:.0f} GFLOP/s in the linears; PEFT with {'bf16' if ON_CARD else 'f32'} weights")
    table.add(f"decoding, {name}, one sequence", figures["decode_tokens_per_second"], None, "tok/s")


def memory_bound(timbre, table):
    """Our rows against our copy roof: no PyTorch in it."""
    shares = {}
    for glob in MEMORY_BOUND:
        for record in timbre.bench(glob, "smollm2*" if timbre.cpu else None):
            if not record["kernel"].endswith(("_cpu", "_texel", "_emulated", "_blocks")) or timbre.cpu:
                shares[record["kernel"], record["case"]] = record["roof_share"]
    for (kernel, case), share in sorted(shares.items(), key=lambda item: item[1]):
        table.add(f"{kernel}, {case}", 100 * share, None, "% of roof")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--device")
    parser.add_argument("--shapes", default="smollm2,llama-1b" if ON_CARD else "smollm2")
    parser.add_argument("--size", type=int, default=4096 if ON_CARD else 1024)
    parser.add_argument("--steps", type=int, default=20 if ON_CARD else 6)
    parser.add_argument("--no-roofs", action="store_true", help="leave the memory-bound kernels out")
    parser.add_argument("--json")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    timbre = Timbre(os.path.abspath(options.build), options.device)
    timbre.cpu = not ON_CARD
    if not timbre.bench("copy", "smallest"):
        sys.exit("kernel-check --bench finds no device: " + " ".join(timbre.device))
    timbre_name = timbre.header[0].removeprefix("device: ").split(", seed")[0]
    torch_name = torch.cuda.get_device_name() if ON_CARD else f"processor, {torch.get_num_threads()} threads"
    print(f"Timbre:  {timbre_name}\n         {timbre.header[-1]}\nPyTorch: {torch.__version__} on {torch_name}\n")
    print(f"{'':58} {'Timbre':>10} {'PyTorch':>10}")
    table = Table()
    compare_matmul(timbre, table, options.size)
    compare_attention(timbre, table)
    for name in filter(None, options.shapes.split(",")):
        compare_training(timbre, table, name, options.steps)
    if not options.no_roofs:
        memory_bound(timbre, table)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"device": timbre_name, "torch": f"{torch.__version__} on {torch_name}",
                       "date": datetime.date.today().isoformat(), "rows": table.rows}, file, indent=1)


if __name__ == "__main__":
    main()
