"""Does an address answer? Asked without waiting longer than one is willing to."""

import queue
import threading
import urllib.request


def problem(address, seconds):
    """Return why an address gives no answer within so many seconds, or None if it gives one.

    The limit holds for all of it, also for looking up the name, which has no limit of its own.
    """
    outcome = queue.SimpleQueue()

    def ask():
        try:
            request = urllib.request.Request(address, method="HEAD")
            urllib.request.urlopen(request, timeout=seconds).close()
        except Exception as error:  # whatever it is, it is no answer
            outcome.put(str(getattr(error, "reason", error)))
        else:
            outcome.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return outcome.get(timeout=seconds)
    except queue.Empty:
        return "timed out"
