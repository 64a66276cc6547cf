# SPDX-License-Identifier: Apache-2.0
"""Whether a server goes on with what its client has left."""
import json
import re
import time
import urllib.request


def gone(url, key="none"):
    """How many requests' clients have left."""
    with urllib.request.urlopen(urllib.request.Request(
            url + "/metrics", headers={"x-goog-api-key": key})) as metrics:
        return int(re.search(r"^gemma3n_cancelled_total (\d+)", metrics.read().decode(), re.M).group(1))


def is_left(url, before, key="none"):
    """Returns soon once nothing is answered any more and another client has left than `before`, what gone() was."""
    until = time.monotonic() + 10
    while json.load(urllib.request.urlopen(url + "/health"))["active"] > 0 or gone(url, key) == before:
        assert time.monotonic() < until, "the server goes on with what was left"
        time.sleep(0.02)
