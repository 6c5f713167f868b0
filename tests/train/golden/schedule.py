#!/usr/bin/env python3
"""Prints the factors that tests/train/test_schedule.c holds (needs torch, transformers)."""
import torch
from transformers import (get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)

for make, arguments in ((get_constant_schedule_with_warmup, (3,)),
                        (get_linear_schedule_with_warmup, (3, 10)),
                        (get_cosine_schedule_with_warmup, (3, 10))):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer, *arguments)
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    print(make.__name__, ", ".join(repr(rate) for rate in rates))
