"""A caller that never stops asking: `python -m mlops.deployment.tests.steady_load PORT FILE BODIES`, a JSON list.

Appends a line for each request: when it was sent, when it was answered (seconds since 1970), the
status (0 where there was no answer), and the model version. Ends on SIGTERM, or after ten minutes.
"""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import sys
import threading
import time
from pathlib import Path

CALLERS = 4
LONGEST = 600.0


def main(port: int, file: Path, bodies: list[object]) -> None:
    """Ask from several threads, over connections that are kept."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    lock = threading.Lock()
    end = time.monotonic() + LONGEST
    with file.open("a") as out:

        def ask() -> None:
            turns = itertools.cycle([json.dumps(body) for body in bodies])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            while not ending.is_set() and time.monotonic() < end:
                sent, status, version = time.time(), 0, "-"
                try:
                    connection.request(
                        "POST", "/invocations", next(turns), {"Content-Type": "application/json"}
                    )
                    answer = connection.getresponse()
                    answer.read()
                    status, version = answer.status, answer.headers.get("x-model-version", "-")
                except (OSError, http.client.HTTPException):
                    connection.close()
                with lock:
                    out.write(f"{sent} {time.time()} {status} {version}\n")
                time.sleep(0.002)
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
