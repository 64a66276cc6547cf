# SPDX-License-Identifier: Apache-2.0
"""Speech made with espeak-ng: clips of the phrases in many voices, with noise, and their log-mels.

Training voices and held-out voices are disjoint. Mels are computed once, with the reference's own
feature extractor, and kept as one float16 array on disk.
"""
import argparse
import json
import multiprocessing
import pathlib
import subprocess

import numpy as np
import soxr

from training.phrases import HELD_OUT_ENGLISH, LANGUAGES, all_phrases

SAMPLE_RATE = 16_000
MAX_SAMPLES = 3 * SAMPLE_RATE  # 19 soft tokens; see the model's audio_soft_tokens_per_image
MEL_FRAMES = 297  # of a clip of MAX_SAMPLES

TRAIN_VOICES = ("m1", "m2", "m3", "m4", "m6", "m7", "f1", "f2", "f4", "f5", "Andy", "Annie", "Linda",
                "Michael", "Robert", "Andrea", "Belinda", "Gene", "Lee", "Mike", "Steph", "Quincy")
HELD_OUT_VOICES = ("m5", "f3", "Alicia", "Max")


def synthesize(text, language, voice, speed, pitch):
    """Samples in [-1, 1] at 16 kHz, with the silence at both ends cut; raises on espeak's failure."""
    command = ["espeak-ng", "-v", f"{language}+{voice}", "-s", str(speed), "-p", str(pitch),
               "--stdout", text]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    rate = int.from_bytes(wav[24:28], "little")
    samples = np.frombuffer(wav[44:], dtype=np.int16).astype(np.float32) / 32768
    samples = soxr.resample(samples, rate, SAMPLE_RATE).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    if loud.size == 0:
        raise ValueError(f"espeak-ng made no sound for {text!r} ({language}+{voice})")
    return samples[max(0, loud[0] - 320):loud[-1] + 1600]


def roughen(samples, rng):
    """The clip with some silence before and after, a random gain and, mostly, noise."""
    before = rng.integers(0, SAMPLE_RATE // 4)
    after = rng.integers(SAMPLE_RATE // 20, SAMPLE_RATE // 4)
    clip = np.concatenate([np.zeros(before), samples, np.zeros(after)])[:MAX_SAMPLES]
    clip = clip / max(1e-3, np.abs(clip).max()) * rng.uniform(0.15, 0.95)
    if rng.random() < 0.8:
        noise = rng.standard_normal(clip.size)
        if rng.random() < 0.5:  # brownish: most of its power at low frequencies
            noise = np.convolve(noise, np.exp(-np.arange(24) / 6.0), mode="same")
        snr_db = rng.uniform(12, 40)
        power = np.sqrt((clip**2).mean()) * 10 ** (-snr_db / 20)
        clip = clip + noise / noise.std() * power
    return np.clip(clip, -1, 1).astype(np.float32)


def make_clip(job):
    """(metadata, samples) of one job; deterministic in its seed."""
    rng = np.random.default_rng(job["seed"])
    speed = int(rng.integers(130, 200))
    samples = synthesize(job["text"], job["language"], job["voice"], job.get("speed", speed),
                         int(rng.integers(30, 71)))
    return job, roughen(samples, rng)


def jobs(clips_per_phrase, voices, seed, held_out):
    """One job per clip; held-out phrases only where asked for."""
    rng = np.random.default_rng(seed)
    result = []
    for phrase in all_phrases():
        if (phrase[0] in HELD_OUT_ENGLISH) != held_out and held_out is not None:
            continue
        for index, language in enumerate(LANGUAGES):
            for _ in range(clips_per_phrase):
                result.append({"text": phrase[index], "english": phrase[0], "language": language,
                               "voice": str(rng.choice(voices)), "seed": int(rng.integers(1 << 62))})
    return result


def extract(extractor, samples):
    """The reference's log-mel of one clip, [frames, 128] float32."""
    features = extractor([samples], return_tensors="np")
    return features["input_features"][0]


def _clip_with_mel(job):
    job, samples = make_clip(job)
    global _EXTRACTOR
    if "_EXTRACTOR" not in globals():
        from transformers import Gemma3nAudioFeatureExtractor  # slow to load, and not needed for sound alone
        _EXTRACTOR = Gemma3nAudioFeatureExtractor()
    return job, extract(_EXTRACTOR, samples).astype(np.float16)


def build(out, clips_per_phrase, seed, processes=2):
    """Writes mels.npy [total frames, 128] float16 and clips.jsonl with each clip's place in it."""
    out.mkdir(parents=True, exist_ok=True)
    work = jobs(clips_per_phrase, TRAIN_VOICES, seed, held_out=False)
    parts, rows, offset = [], [], 0
    with multiprocessing.Pool(processes) as pool:
        for number, (job, mel) in enumerate(pool.imap(_clip_with_mel, work, chunksize=16)):
            rows.append({**job, "offset": offset, "frames": len(mel)})
            parts.append(mel)
            offset += len(mel)
            if number % 2000 == 0:
                print(f"speech: {number}/{len(work)}", flush=True)
    np.save(out / "mels.npy", np.concatenate(parts))
    (out / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--clips", type=int, default=44, help="clips per phrase and language")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    build(options.out, options.clips, options.seed)
