"""How fast this machine is, how many FLOPs and bytes a training takes, and what a change gained.

A FLOP is a floating-point operation, an addition or a multiplication; FLOP/s are FLOPs a second.
"""

import copy
import itertools
import math
import statistics
import time
from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Shapes (n, k, m) of products so large that nothing but the multiplying counts.
LARGE = {"cpu": (1024, 1024, 1024), "cuda": (4096, 4096, 4096)}
BEYOND_CACHE = 2**27  # bytes that no cache holds, or hardly one
TOLERANCE = 0.25  # by which a measured gain may differ from the one that was predicted


@dataclass(frozen=True)
class Rung:
    """What one change gained: the seconds a text before and after it, and what was predicted.

    `before` and `after` are lists with a dictionary {part of a step: seconds a text} for every
    pass over the same batches. `more` and `less` say why the gain may be larger or smaller than
    `predicted`.
    """

    before: list
    after: list
    predicted: float
    more: str = ""
    less: str = ""

    @property
    def gain(self):
        """How many times as fast: the ratio of the medians."""
        return a_text(self.before) / a_text(self.after)

    @property
    def spread(self):
        """The smallest and the largest gain between any pass before and any after."""
        before, after = ([sum(each.values()) for each in rounds]
                         for rounds in (self.before, self.after))
        return min(before) / max(after), max(before) / min(after)

    @property
    def held(self):
        """Whether prediction and measurement differ by `TOLERANCE` at most, either way."""
        off = self.gain / self.predicted
        return max(off, 1 / off) <= 1 + TOLERANCE

    def __str__(self):
        said = "predicted {:.2f} times as fast, measured {:.2f} ({:.2f} to {:.2f})".format(
            self.predicted, self.gain, *self.spread)
        if self.held:
            return f"{said}: held"
        off, more = self.gain / self.predicted - 1, self.gain > self.predicted
        reason = (self.more if more else self.less) or "No reason known: measure again."
        return f"{said}: missed by {off:+.0%}. {reason}"


def a_text(rounds):
    """Return the seconds a text takes, all parts together: the median over the passes."""
    return statistics.median(sum(each.values()) for each in rounds)


def parts(rounds):
    """Return {part of a step: seconds a text}, the median over the passes of each part."""
    return {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}


def share(rounds, part):
    """Return the share of a step's time that one of its parts takes, by the medians."""
    spent = parts(rounds)
    return spent[part] / sum(spent.values())


def matmul_rate(dtype=torch.float32, device="cpu", seconds=0.5, shape=None, *, fetched=False):
    """Return the FLOP/s that a matrix product reaches here, the median of those in `seconds`.

    With the shape (n, k, m), a matrix of n rows and k columns times one of k rows and m columns
    takes 2 · n · k · m FLOPs, a multiplication and an addition for each pair. Without a shape,
    the product is a large one. `fetched` takes another second matrix each time, so that it comes
    from memory, as weights do, and not from a cache.
    """
    kind = torch.device(device).type
    n, k, m = shape or LARGE.get(kind, LARGE["cpu"])
    repeats = 20 if kind == "cuda" else 1  # a GPU only queues them until it is waited for
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, generator=generator).to(device, dtype) for size in [(n, k), (k, m)])
    others = itertools.cycle(
        [b.clone() for _ in range(BEYOND_CACHE // b.nbytes if fetched else 0)] or [b])
    a @ b
    return 2 * n * k * m / _usual(lambda: a @ next(others), device, seconds, repeats)


def bandwidth(device="cpu", seconds=0.3):
    """Return the bytes a second that a large copy reads and writes here, the median."""
    source = torch.ones(BEYOND_CACHE // 4, device=device)
    target = torch.empty_like(source).copy_(source)
    return 2 * source.nbytes / _usual(lambda: target.copy_(source), device, seconds)


def _usual(function, device, seconds, repeats=1):
    """Return the median of what a call takes, from `repeats` at a time for some seconds."""
    spent, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent) < 3:
        start = now(device)
        for _ in range(repeats):
            function()
        spent.append((now(device) - start) / repeats)
    return statistics.median(spent)


class Traffic(TorchDispatchMode):
    """Counts the bytes that PyTorch's operations read and write inside `with Traffic() as it:`.

    `it.bytes` has every tensor that goes in or comes out, as if no cache kept any. What only
    looks at a tensor in another shape moves nothing; of an embedding table, the rows that are
    looked up count.
    """

    ALLOCATING = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")
    LOOKING = ("_unsafe_view", "_reshape_alias", "detach", "lift_fresh")

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation and add what it moves."""
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        returned = [one.alias_info for one in func._schema.returns]
        if any(alias and not alias.is_write for alias in returned) or name in self.LOOKING:
            return result
        if name in self.ALLOCATING:
            return result
        given = dict(zip((one.name for one in func._schema.arguments), args, strict=False))
        given |= kwargs or {}
        if name == "embedding":
            given["weight"] = result
        # A fused optimizer may write gradients, but does so only where they come scaled.
        kept = {"grads"} if given.get("grad_scale") is None else set()
        changed = [given.get(one.name) for one in func._schema.arguments
                   if one.alias_info and one.alias_info.is_write and one.name not in kept]
        fresh = result if not any(returned) else None
        self.bytes += sum(map(_bytes, tree_leaves([given, changed, fresh])))
        return result


def _bytes(value):
    """Return the bytes of a tensor, each once where it is repeated by a stride of zero."""
    if not isinstance(value, torch.Tensor):
        return 0
    count = math.prod(length for length, stride
                      in zip(value.shape, value.stride(), strict=True) if stride)
    return count * value.element_size()


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


def product_points(inner, outer, rows=(4, 16, 64, 256, 1024), device="cpu"):
    """Return {rows: (FLOPs a byte, FLOP/s)} of products of so many rows with a matrix of weights.

    The weights, (inner, outer) in float32, come from memory each time.
    """
    points = {}
    for n in rows:
        moved = 4 * (n * inner + inner * outer + n * outer)
        rate = matmul_rate(device=device, seconds=0.1, shape=(n, inner, outer), fetched=True)
        points[n] = 2 * n * inner * outer / moved, rate
    return points


def optimizer_bytes(model, fused=None):
    """Return the bytes that a step of AdamW moves for what is trained of a model: `Traffic`.

    The weights stay as they are, at a rate of zero; the gradients are gone afterwards.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, fused=fused)
    for weights in trained:
        weights.grad = torch.ones_like(weights)
    optimizer.step()  # the first one sets up the two means
    with Traffic() as traffic:
        optimizer.step()
    optimizer.zero_grad()
    return traffic.bytes


def intensity(model, batches, flops, fused=None):
    """Return the FLOPs a byte of training steps that take so many FLOPs a text, on the average.

    Bytes are those of `Traffic` in forward and backward, and of AdamW. Leaves no gradients.
    """
    model.train()
    with Traffic() as traffic:
        for batch in batches:
            model(**batch).loss.backward()
            model.zero_grad()
    moved = traffic.bytes + len(batches) * optimizer_bytes(model, fused)
    return flops * sum(len(batch["labels"]) for batch in batches) / moved


def a_second(count, function, *arguments, times=3):
    """Return in words how many texts a second a function goes through that takes `count`."""
    rates = []
    for _ in range(times):
        start = time.perf_counter()
        function(*arguments)
        rates.append(count / (time.perf_counter() - start))
    middle = statistics.median(rates)
    return f"{middle:.0f} reviews a second ({min(rates):.0f} to {max(rates):.0f})"


def won_back(spent, before, after):
    """Return in words after how many steps the seconds `spent` on making them faster are back.

    `before` and `after` are the seconds of a step; a gain of less than 2 % counts for none.
    """
    when = (f"won back after {spent / (before - after):,.0f} steps" if after < 0.98 * before
            else "never won back")
    return f"{spent:.0f} s; a step {1000 * before:.1f} ms, then {1000 * after:.1f} ms: {when}"


def now(device):
    """Return a clock's seconds once a GPU has done what it was told."""
    wait(device)
    return time.perf_counter()


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

