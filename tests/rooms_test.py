#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Guards the house: which room may include which, how long a file may get, whose licence it names.

Run without arguments it checks the tree it stands in; its own check comes first, on a planted mistake.
"""
import pathlib
import re
import sys

# A room and the rooms it stands on directly. What those stand on is open to it too.
STANDS_ON = {
    "base": [], "tensor": ["base"], "kernels": ["tensor"], "ops": ["kernels"],
    "checkpoint": ["tensor"], "text": ["checkpoint"], "constraint": ["checkpoint"],
    "media": ["base"], "media_process": ["media"],
    "vision": ["ops", "checkpoint"], "audio": ["ops", "checkpoint"], "model": ["ops", "checkpoint"],
    "convert": ["text", "vision", "audio", "model"],
    "engine": ["media", "convert", "constraint"],
    "speech": ["engine"], "watching": ["engine"],
    "cli": [], "server": [],  # front ends: the public headers alone
}
MOST_LINES = 500
MOST_LINES_OF_A_TEST = 700
OF_TESTS = ("tiny",)  # folders of tests/ that tests may include from
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def reachable(room):
    """All rooms that `room` may include, itself among them."""
    seen, queue = set(), [room]
    while queue:
        current = queue.pop()
        if current not in seen:
            seen.add(current)
            queue += STANDS_ON[current]
    return seen


def wrong_includes(room, lines, is_test=False):
    """(line number, included file) of each include that turns back."""
    allowed = reachable(room) | (set(OF_TESTS) if is_test else set())
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            target = match.group(1).split("/")[0]
            if target != "gemma3n" and target not in allowed:
                yield number, match.group(1)


def check_file(path, room):
    """All complaints about one file."""
    lines = path.read_text().splitlines()
    is_test = path.stem.endswith("_test") or path.stem.startswith("test_")
    for number, included in wrong_includes(room, lines, is_test):
        yield f"{path}:{number}: room {room} may not include {included}"
    most = MOST_LINES_OF_A_TEST if is_test else MOST_LINES
    if len(lines) > most:
        yield f"{path}: {len(lines)} lines; past {most} look for the second subject"
    if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        yield f"{path}: the first line names no licence"


def complaints(root):
    for directory in sorted((root / "src").iterdir()):
        if not directory.is_dir():
            continue
        if directory.name not in STANDS_ON:
            yield f"{directory}: a room that {pathlib.Path(__file__).name} does not know"
            continue
        for path in sorted(directory.rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield from check_file(path, directory.name)
    for path in sorted((root / "include").rglob("*.h")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match and not match.group(1).startswith("gemma3n/"):
                yield f"{path}:{number}: a public header may not include {match.group(1)}"


def check_the_checker():
    assert list(wrong_includes("ops", ['#include "model/config.h"'])) == [(1, "model/config.h")]
    assert list(wrong_includes("vision", ['#include "audio/mel.h"'])) == [(1, "audio/mel.h")]
    assert list(wrong_includes("cli", ['#include "engine/session.h"'])) == [(1, "engine/session.h")]
    assert not list(wrong_includes("cli", ['#include "cli/options.h"', '#include "gemma3n/engine.h"']))
    assert not list(wrong_includes("model", ['#include "base/check.h"', '#include "ops/linear.h"',
                                             '#include "gemma3n/error.h"', "#include <vector>"]))


if __name__ == "__main__":
    check_the_checker()
    found = list(complaints(pathlib.Path(__file__).resolve().parent.parent))
    print("\n".join(found) or "every room knows its place")
    sys.exit(1 if found else 0)
