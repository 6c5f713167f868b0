#!/usr/bin/env python3
"""Loads an exported PEFT folder in Hugging Face PEFT and compares it with our own engine.

    greedy MODEL RUN 32 logits.bin < prompts > ours.jsonl
    compare_peft.py MODEL.gguf PEFT_FOLDER ours.jsonl logits.bin

Greedy tokens must be equal, or differ only where the two best tokens lie within 1e-3; the mean
KL divergence of the next-token distributions is printed and must be at most 0.01. The base is
the same GGUF, dequantised by transformers. Needs torch, transformers, peft, gguf.
"""
import json
import sys

import numpy
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main():
    model_path, adapter, ours_path, logits_path = sys.argv[1:5]
    folder, name = model_path.rsplit("/", 1)
    base = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, adapter).eval()
    lines = [json.loads(line) for line in open(ours_path, encoding="utf-8")]
    logits = numpy.fromfile(logits_path, dtype=numpy.float32).reshape(len(lines), -1)
    failed, worst_kl = 0, 0.0
    with torch.no_grad():
        for line, ours in zip(lines, logits):
            ids = line["prompt"] + line["reply"]
            theirs = model(input_ids=torch.tensor([ids])).logits[0].double()
            start = len(line["prompt"]) - 1
            p = torch.log_softmax(theirs[start], 0)
            q = torch.log_softmax(torch.tensor(ours[: p.shape[0]]).double(), 0)
            kl = (p.exp() * (p - q)).sum().item()
            worst_kl = max(worst_kl, kl)
            equal = 0
            for i, wanted in enumerate(line["reply"]):
                row = theirs[start + i]
                if row.argmax().item() != wanted and row.max() - row[wanted] > 1e-3:
                    break
                equal += 1
            failed += equal != len(line["reply"]) or kl > 0.01
            print(f"{equal} of {len(line['reply'])} greedy tokens equal, KL {kl:.2e}, largest "
                  f"|logit difference| {(theirs[start].numpy() - ours[:p.shape[0]]).__abs__().max():.2e}")
    print(f"{len(lines) - failed} passed, {failed} failed, 0 skipped (largest KL {worst_kl:.2e})")
    sys.exit(1 if failed else 0)


main()
