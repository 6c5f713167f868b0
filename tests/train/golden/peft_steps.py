#!/usr/bin/env python3
"""30 LoRA steps of PEFT on stories260K, and the first step's gradients.

    peft_steps.py stories260K-f32.gguf TEXT > peft_steps.json
    peft_steps.py stories260K-f32.gguf TEXT 16 > peft_steps_wide.json
    peft_steps.py tests/tiny/tiny-chat.gguf TEXT 16 > peft_steps_chat.json

TEXT is Tiny Shakespeare, the last argument is the adapter's rank. Needs torch, transformers, peft, gguf. Everything a repetition needs is in the file it prints:
the examples' ids, from which of them on they are supervised, the order, and the settings. The
adapter starts from `start` below, which tests/train/test_golden.c repeats; B is zero in the
losses' run. The gradients are taken with A and B both drawn, on one step of packed examples.
"rounded" is all of it once more with both operands of every product (linears, adapters, the head,
and attention where heads are multiples of 16), forward and backward, rounded to the 11 bits of f16:
what matrix units make of it.
"""
import json
import math
import sys

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, get_cosine_schedule_with_warmup

RANK = int(sys.argv[3]) if len(sys.argv) > 3 else 4
ALPHA, STEPS, STEP_EXAMPLES, WARMUP = 2 * RANK, 30, 4, 3
RATE, DECAY, CLIP = 0.04 / RANK, 0.01, 1.0
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def start(count, salt):
    """Uniform in [-1, 1) from a 32-bit mix that any language repeats exactly."""
    i = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(salt * 1000003)
    x = (i * numpy.uint64(2654435761)) & numpy.uint64(0xffffffff)
    x ^= x >> numpy.uint64(15)
    x = (x * numpy.uint64(2246822519)) & numpy.uint64(0xffffffff)
    x ^= x >> numpy.uint64(13)
    return (x.astype(numpy.float64) / 2.0**31 - 1.0)


def permuted(rows, head_dim):
    """Hugging Face's row behind each row of the GGUF (heads of adjacent pairs)."""
    row = numpy.arange(rows)
    inside = row % head_dim
    return row - inside + inside % 2 * (head_dim // 2) + inside // 2


def pairs(model):
    """(name in the GGUF, A, B, order of B's rows) in the order layer, q k v o gate up down."""
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
             "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    head_dim = model.config.hidden_size // model.config.num_attention_heads
    modules = dict(model.named_modules())
    for layer in range(model.config.num_hidden_layers):
        for target in TARGETS:
            part = "self_attn" if target in TARGETS[:4] else "mlp"
            module = modules[f"base_model.model.model.layers.{layer}.{part}.{target}"]
            a = module.lora_A["default"].weight
            b = module.lora_B["default"].weight
            order = permuted(b.shape[0], head_dim) if target in ("q_proj", "k_proj") else None
            yield f"blk.{layer}.{names[target]}.weight", a, b, order


def set_start(model, with_b):
    for index, (_, a, b, order) in enumerate(pairs(model)):
        scale = 1.0 / math.sqrt(a.shape[1])
        values = start(a.numel(), 2 * index) * scale
        a.data = torch.tensor(values.astype(numpy.float32)).reshape(a.shape)
        gguf_b = numpy.zeros(b.numel())
        if with_b:
            gguf_b = start(b.numel(), 2 * index + 1) * 0.1
        gguf_b = torch.tensor(gguf_b.astype(numpy.float32)).reshape(b.shape)
        if order is not None:
            moved = torch.empty_like(gguf_b)
            moved[order] = gguf_b
            gguf_b = moved
        b.data = gguf_b


def step_loss(model, examples):
    """Mean over the supervised tokens of all examples, each run alone."""
    total, count = 0.0, 0
    for example in examples:
        ids = torch.tensor([example["ids"]])
        first = example["first"]
        logits = model(input_ids=ids).logits[0, first - 1:-1]
        total = total + torch.nn.functional.cross_entropy(logits, ids[0, first:],
                                                          reduction="sum")
        count += ids.shape[1] - first
    return total / count


def rounded(x):
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp(torch.round(mantissa * 2048) / 2048, exponent)


class RoundedProduct(torch.autograd.Function):
    """a @ b of matrices, or of equally many of them."""
    @staticmethod
    def forward(context, a, b):
        a, b = rounded(a), rounded(b)
        context.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(context, gradient):
        a, b = context.saved_tensors
        gradient = rounded(gradient)
        return gradient @ b.transpose(-1, -2), a.transpose(-1, -2) @ gradient


def rounded_linear(x, weight, bias=None):
    return RoundedProduct.apply(x.flatten(0, -2), weight.T).unflatten(0, x.shape[:-1])


def first_gradients(model, examples):
    set_start(model, with_b=True)
    model.zero_grad()
    loss = step_loss(model, examples)
    loss.backward()
    gradients = {"loss": loss.item(), "tensors": {}}
    for name, a, b, rows in pairs(model):
        b_grad = b.grad if rows is None else b.grad[rows]
        for key, grad in ((".lora_a", a.grad), (".lora_b", b_grad)):
            values = grad.double().flatten()
            probe = torch.tensor(start(values.numel(), 999))
            gradients["tensors"][name + key] = [values.norm().item(), (values @ probe).item()]
    model.zero_grad()
    return gradients


def losses_and_norms(model, examples, order):
    set_start(model, with_b=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)
    schedule = get_cosine_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses, norms = [], []
    for step in range(STEPS):
        loss = step_loss(model, [examples[i] for i in order[step]])
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(trained, CLIP).item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, norms


def everything(model, examples, order):
    gradients = first_gradients(model, [examples[i] for i in order[0]])
    losses, norms = losses_and_norms(model, examples, order)
    return {"losses": losses, "norms": norms, "gradients": gradients}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(1)
    folder, name = sys.argv[1].rsplit("/", 1)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    text = open(sys.argv[2], encoding="utf-8").read()
    lines = [line for line in text.split("\n") if len(line) > 30][:24]
    examples = []
    for index, line in enumerate(lines):
        ids = tokenizer(line, add_special_tokens=False)["input_ids"]
        examples.append({"ids": [1] + ids[:40], "first": 1 + index % 7})
    order = [[(STEP_EXAMPLES * step + i) * 7 % len(examples) for i in range(STEP_EXAMPLES)]
             for step in range(STEPS)]

    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0,
                                            target_modules=TARGETS, task_type="CAUSAL_LM"))
    single = everything(model, examples, order)
    torch.nn.functional.linear = rounded_linear
    if base.config.hidden_size // base.config.num_attention_heads % 16 == 0:
        base.config._attn_implementation = "eager"
        torch.matmul = RoundedProduct.apply
    print(json.dumps({"rank": RANK, "alpha": ALPHA, "steps": STEPS, "warmup": WARMUP,
                      "rate": RATE, "decay": DECAY, "clip": CLIP, "examples": examples,
                      "order": order, **single, "rounded": everything(model, examples, order)}))


main()
