"""How long something takes, how much memory it needs at most, and what a training keeps in it."""

import contextlib
import threading
import time

import psutil


class Measured:
    """Measures a block: `with Measured() as cost: …`, then `cost.seconds` and `cost.peak`.

    `peak` is the largest resident memory of the process in bytes, looked at every 50 ms while
    the block runs. `pid` is another process to watch, and may be set inside the block, once that
    process is there.
    """

    def __init__(self, pid=None):
        self.pid = pid
        self.seconds = 0.0
        self.peak = 0

    def __enter__(self):
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._start = time.perf_counter()
        self._watcher.start()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self._start
        self._done.set()
        self._watcher.join()

    def _watch(self):
        while True:
            with contextlib.suppress(psutil.Error):  # the other process may just have stopped
                self.peak = max(self.peak, psutil.Process(self.pid).memory_info().rss)
            if self._done.wait(0.05):
                return


def activations(model, batch):
    """Return the bytes that a forward pass of `model` keeps for the backward pass.

    Parameters and buffers are not counted, what autocast makes of them is. PyTorch shows every
    tensor that it keeps to a hook; tensors that share their memory count once.
    """
    import torch

    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # an output that keeps itself would never be let go of

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(**batch).loss
    del loss  # until here it keeps them alive, so that no two have one address
    return sum(size for address, size in kept.items() if address not in own)
