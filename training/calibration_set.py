# SPDX-License-Identifier: Apache-2.0
"""Writes eval.jsonl with its media to calibrate quantization with (`gemma3n quantize --calibrate`).

Only what nano was trained on, drawn from a seed of its own: voices, phrases and pairs of shape and
colour of the evaluation are not in it, nor texts of the evaluations that --apart-from names.
"""
import argparse
import json
import pathlib

from training import data_speech, data_text
from training.evaluation_set import Writer


def calibration(out, size, apart_from, seed=31):
    writer = Writer(out, seed)
    voices = data_speech.TRAIN_VOICES
    writer.speech("speech", 20 * size, voices)
    writer.speech("translation", 12 * size, voices, translate=True)
    writer.pictures("pictures", 20 * size)
    writer.recall("text recall long", 8 * size, facts=14, fillers=8)
    writer.recall("text recall", 4 * size)
    for maker, _ in data_text.MAKERS[1:]:
        writer.text(maker, 4 * size)
    known = {item["prompt"] for path in apart_from for item in map(json.loads, path.read_text().splitlines())
             if not any(item.get(kind) for kind in ("images", "audio", "videos"))}
    kept = [item for item in writer.items if item["prompt"] not in known]
    print(f"{len(kept)} items, {len(writer.items) - len(kept)} left out")
    writer.items = kept
    writer.write()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--apart-from", type=pathlib.Path, nargs="*", default=[])
    options = parser.parse_args()
    calibration(options.out, options.size, options.apart_from)
