# SPDX-License-Identifier: Apache-2.0
"""models/nano answers its evaluation as Transformers did, and as rightly as docs/nano.md says.

    check_nano.py GEMMA3N

The reference's answers were written by
    python -m training.evaluate models/nano models/nano/eval/eval.jsonl --out models/nano/eval/transformers.jsonl
"""
import json
import pathlib
import subprocess
import sys
import tempfile

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
# Shares of right answers that must not be lost; docs/nano.md has the figures.
LEAST = {"speech new voices": 0.9, "speech new speeds": 0.9, "translation heard phrases": 0.85,
         "pictures": 0.9, "text add": 1.0, "text copy": 1.0, "text greet": 1.0, "text recall long": 1.0}


def main():
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place) / "answers.jsonl"
        done = subprocess.run([sys.argv[1], "eval", "-m", NANO, NANO / "eval/eval.jsonl", "--json",
                               "--out", out], check=True, capture_output=True)
        ours = {a["id"]: a["text"] for a in map(json.loads, out.read_text().splitlines())}
    scores = json.loads(done.stdout)
    for task, least in LEAST.items():
        share = scores[task]["right"] / scores[task]["items"]
        assert share >= least, f"{task}: {share:.0%}, expected {least:.0%}"
    reference = [json.loads(line) for line in (NANO / "eval/transformers.jsonl").read_text().splitlines()]
    different = [a["id"] for a in reference if ours[a["id"]].strip() != a["text"].strip()]
    print(f"{len(reference)} answers, {len(different)} different from the reference's: {different}")
    assert len(reference) > 100 and not different


if __name__ == "__main__":
    main()
