# SPDX-License-Identifier: Apache-2.0
"""Long recordings of models/nano's phrases in voices it was not taught, with what is said and when.

    python -m training.recordings --minutes 10 --between silence --out DIR     # DIR/silence.wav, .jsonl
    gemma3n transcribe -m models/nano DIR/silence.wav -o DIR/silence.json
    python -m training.recordings --score DIR/silence.json DIR/silence.jsonl

`--between` is silence, noise, music, or mixed. Beside the recording DIR/NAME-clips.jsonl has the same
clips one by one for `gemma3n eval`. The score is the word error rate of all that was written against
all that was said, in order; how many clips are right to the last word; how far times are off.
"""
import argparse
import json
import pathlib

import numpy as np
import soundfile

from training.data_speech import HELD_OUT_VOICES, SAMPLE_RATE, make_clip
from training.phrases import HELD_OUT_ENGLISH, LANGUAGES, all_phrases
from training.tokenizer import TRANSCRIBE, TRANSLATE


def music(rng, count):
    """Notes of a quarter to half a second, each a tone with overtones that fades, in one key."""
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    out = np.zeros(count)
    at = 0
    while at < count:
        length = int(rng.uniform(0.25, 0.5) * SAMPLE_RATE)
        t = np.arange(min(length, count - at)) / SAMPLE_RATE
        tone = sum(np.sin(2 * np.pi * k * rng.choice(scale) * t) / k for k in (1, 2, 3))
        out[at:at + t.size] = tone * np.exp(-2 * t)
        at += length
    return 0.12 * out


def between(kind, rng, seconds):
    """What stands between two clips."""
    count = int(seconds * SAMPLE_RATE)
    if kind == "mixed":
        kind = str(rng.choice(["silence", "noise", "music"]))
    if kind == "silence":
        return np.zeros(count)
    if kind == "noise":
        return rng.standard_normal(count) * rng.uniform(0.003, 0.03)
    fade = np.minimum(1, np.arange(count) / 1600) * np.minimum(1, np.arange(count)[::-1] / 1600)
    quiet = np.zeros(SAMPLE_RATE // 2)
    return np.concatenate([quiet, music(rng, count) * fade, quiet])


def make(options):
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    phrases = [p for p in all_phrases() if p[0] not in HELD_OUT_ENGLISH]
    languages = options.languages.split(",") if options.languages else list(LANGUAGES)
    name = options.name or options.between
    parts, truth, clips, at = [np.zeros(SAMPLE_RATE)], [], [], SAMPLE_RATE
    while at < options.minutes * 60 * SAMPLE_RATE:
        phrase = phrases[rng.integers(len(phrases))]
        index = LANGUAGES.index(str(rng.choice(languages)))
        _, clip = make_clip({"text": phrase[index], "language": LANGUAGES[index],
                             "voice": str(rng.choice(HELD_OUT_VOICES)), "seed": int(rng.integers(1 << 62))})
        loud = np.flatnonzero(np.abs(clip) > 0.05 * np.abs(clip).max())
        truth.append({"start": (at + loud[0]) / SAMPLE_RATE, "end": (at + loud[-1] + 1) / SAMPLE_RATE,
                      "text": phrase[index], "english": phrase[0], "language": LANGUAGES[index]})
        if options.clips:
            file = f"{name}-{len(clips):04d}.flac"
            soundfile.write(options.out / file, clip, SAMPLE_RATE, subtype="PCM_16")
            clips.append({"id": file, "task": "clips", "prompt": TRANSCRIBE, "audio": [file],
                          "answer": phrase[index], "match": "wer"})
            if LANGUAGES[index] != "en":
                clips.append({"id": file + " translated", "task": "clips translated", "prompt": TRANSLATE,
                              "audio": [file], "answer": f"{phrase[index]}\nEnglish: {phrase[0]}"})
        gap = between(options.between, rng, rng.uniform(1.2, 4))
        parts += [clip, gap]
        at += len(clip) + len(gap)
    soundfile.write(options.out / f"{name}.wav", np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
    for suffix, rows in (("", truth), ("-clips", clips)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (options.out / f"{name}{suffix}.jsonl").write_text(text)


def distance(expected, found):
    """Least number of words to insert, delete or replace."""
    row = list(range(len(found) + 1))
    for i, word in enumerate(expected, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(found, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def score(found, truth, translated):
    segments = json.loads(found.read_text())["segments"]
    for segment in segments if translated else ():
        segment["text"] = segment.get("translation", segment["text"])
    said = [json.loads(line) for line in truth.read_text().splitlines()]
    key = "english" if translated else "text"
    expected = " ".join(row[key] for row in said).lower().split()
    written = " ".join(s["text"] for s in segments).lower().split()
    right, starts, ends = 0, [], []
    for row in said:
        over = [s for s in segments if s["start"] < row["end"] and s["end"] > row["start"]]
        right += " ".join(s["text"] for s in over).strip() == row[key]
        if over:
            starts.append(over[0]["start"] - row["start"])
            ends.append(over[-1]["end"] - row["end"])
    extra = sum(not any(s["start"] < r["end"] and s["end"] > r["start"] for r in said) for s in segments)
    print(json.dumps({
        "clips": len(said), "right": right, "segments": len(segments), "invented": extra,
        "wer": round(distance(expected, written) / len(expected), 4),
        "start_off": [round(float(np.median(np.abs(starts))), 3), round(float(np.abs(starts).max()), 3)],
        "end_off": [round(float(np.median(np.abs(ends))), 3), round(float(np.abs(ends).max()), 3)],
        "last_end_off": round(ends[-1], 3)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--between", choices=["silence", "noise", "music", "mixed"], default="silence")
    parser.add_argument("--languages", help="such as en,es; else all six")
    parser.add_argument("--name")
    parser.add_argument("--clips", action="store_true", help="write the clips one by one, too")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--score", type=pathlib.Path, nargs=2, metavar=("FOUND", "TRUTH"))
    parser.add_argument("--translated", action="store_true", help="score the English of it")
    chosen = parser.parse_args()
    if chosen.score:
        score(*chosen.score, chosen.translated)
    else:
        make(chosen)
