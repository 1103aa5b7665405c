"""How many FLOP/s this machine reaches on matrix products, and how many FLOPs a training takes.

A FLOP is a floating-point operation, an addition or a multiplication; FLOP/s are FLOPs a second.
"""

import copy
import statistics
import time

import torch

# Shapes (n, k, m) of products so large that nothing but the multiplying counts.
LARGE = {"cpu": (1024, 1024, 1024), "cuda": (4096, 4096, 4096)}


def matmul_rate(dtype=torch.float32, device="cpu", seconds=0.5, shape=None):
    """Return the FLOP/s that a matrix product reaches here, the median of those in `seconds`.

    With the shape (n, k, m), a matrix of n rows and k columns times one of k rows and m columns
    takes 2 · n · k · m FLOPs, a multiplication and an addition for each pair. Without a shape,
    the product is a large one.
    """
    kind = torch.device(device).type
    n, k, m = shape or LARGE.get(kind, LARGE["cpu"])
    repeats = 20 if kind == "cuda" else 1  # a GPU only queues them until it is waited for
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=generator).to(device, dtype) for size in [(n, k), (k, m)])
    a @ b
    spent, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            a @ b
        wait(device)
        spent.append((time.perf_counter() - start) / repeats)
    return 2 * n * k * m / statistics.median(spent)


def bf16_pays(device="cpu"):
    """Say whether this machine multiplies in bfloat16 clearly faster than in float32.

    Measured, in about a second: a processor without instructions for it does it in software, and
    is slower.
    """
    shape = (512, 512, 512) if torch.device(device).type == "cpu" else None
    bf16, fp32 = (matmul_rate(dtype, device, 0.1, shape)
                  for dtype in (torch.bfloat16, torch.float32))
    return bf16 > 1.3 * fp32


def wait(device):
    """Wait until a GPU has done what it was told; a CPU has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def training_operations(model, batches):
    """Return the FLOPs of the matrix products of one pass of training over `batches`.

    PyTorch counts them, forward and backward, on tensors that have a shape but no content, so
    that nothing is computed. What is not a matrix product (normalising, adding, the optimizer) is
    left out, as is usual.
    """
    from torch.utils.flop_counter import FlopCounterMode

    shadow = copy.deepcopy(model).to("meta").train()
    counts = {}  # a shape is counted once
    total = 0
    for batch in batches:
        shapes = {k: v.shape for k, v in batch.items() if k != "attention_mask"}
        if (key := tuple(shapes.values())) not in counts:
            inputs = {k: batch[k].to("meta") for k in shapes}
            with FlopCounterMode(display=False) as counter:
                shadow(**inputs).loss.backward()
            counts[key] = counter.get_total_flops()
        total += counts[key]
    return total

