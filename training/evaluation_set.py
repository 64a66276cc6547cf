# SPDX-License-Identifier: Apache-2.0
"""Writes eval.jsonl with its media, and the example files of the demonstration.

Nothing in it was trained on: voices, speeds, phrase combinations, pairs of shape and colour are held
out; scenes and texts are drawn from seeds of their own. Films are written with the ffmpeg command.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import soundfile

from training import data_film, data_pictures, data_speech, data_text, tokenizer
from training.phrases import HELD_OUT_ENGLISH, LANGUAGES, all_phrases

PICTURE_SIDE = 128
FILM_SIDE = 192


def _phrase(english):
    return next(p for p in all_phrases() if p[0] == english)


class Writer:
    """Collects items; media go beside eval.jsonl."""

    def __init__(self, out, seed):
        self.out, self.items = out, []
        self.rng = np.random.default_rng(seed)
        out.mkdir(parents=True, exist_ok=True)

    def add(self, task, prompt, answer, **media):
        self.items.append({"id": f"{task}-{len(self.items):04d}", "task": task, "prompt": prompt,
                           **media, "answer": answer})

    def speech(self, task, count, voices, held_out=False, speeds=None, translate=False):
        phrases = [p for p in all_phrases() if (p[0] in HELD_OUT_ENGLISH) == held_out]
        for _ in range(count):
            phrase = phrases[self.rng.integers(len(phrases))]
            index = int(self.rng.integers(1 if translate else 0, len(LANGUAGES)))
            job = {"text": phrase[index], "language": LANGUAGES[index], "seed": int(self.rng.integers(1 << 62)),
                   "voice": str(self.rng.choice(voices))}
            if speeds:
                job["speed"] = int(self.rng.choice(speeds))
            _, samples = data_speech.make_clip(job)
            name = f"{task}-{len(self.items):04d}.flac"
            soundfile.write(self.out / name, samples, data_speech.SAMPLE_RATE, subtype="PCM_16")
            if translate:
                self.add(task, tokenizer.TRANSLATE, f"{phrase[index]}\nEnglish: {phrase[0]}", audio=[name])
            else:
                self.add(task, tokenizer.TRANSCRIBE, phrase[index], audio=[name])

    def pictures(self, task, count, held_out=False):
        for _ in range(count):
            scene = data_pictures.random_scene(self.rng, held_out)
            options = data_pictures.questions(scene)
            _, question, answer = options[self.rng.integers(len(options))]
            name = f"{task}-{len(self.items):04d}.png"
            data_pictures.draw_scene(scene, PICTURE_SIDE).save(self.out / name)
            self.add(task, question, answer, images=[name])

    def text(self, maker, count):
        for _ in range(count):
            task, turns = maker(self.rng)
            self.add("text " + task, *turns)

    def recall(self, task, count, **settings):
        for _ in range(count):
            turns = []
            while len(turns) != 2:
                _, turns = data_text.recall(self.rng, questions=1, **settings)
            self.add(task, *turns)

    def films(self, count):
        for number in range(count):
            scenes, question, answer = data_film.random_film(self.rng)
            name = f"film-{len(self.items):04d}.mp4"
            phrase = all_phrases()[self.rng.integers(len(all_phrases()))]
            write_film(self.out / name, scenes, self.spoken(phrase[0], "en"))
            if number % 3 == 2:
                self.add("film said", tokenizer.SAID, phrase[0], videos=[name])
            else:
                self.add("film seen", question, answer, videos=[name])

    def spoken(self, text, language):
        job = {"text": text, "language": language, "voice": str(self.rng.choice(data_speech.HELD_OUT_VOICES)),
               "seed": int(self.rng.integers(1 << 62))}
        return data_speech.make_clip(job)[1]

    def write(self):
        lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in self.items]
        (self.out / "eval.jsonl").write_text("".join(lines))


def write_film(path, scenes, samples):
    """H.264 with one picture a second and AAC sound."""
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        for i, scene in enumerate(scenes):
            data_pictures.draw_scene(scene, FILM_SIDE).save(place / f"{i}.png")
        soundfile.write(place / "sound.wav", samples, data_speech.SAMPLE_RATE, subtype="PCM_16")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-framerate", "1", "-i", place / "%d.png", "-i", place / "sound.wav",
             "-c:v", "libx264", "-crf", "20", "-r", "5", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "48k",
             "-map_metadata", "-1", "-fflags", "+bitexact", path], check=True)


def evaluation(out, size, seed=11):
    """`size` times the smallest set."""
    writer = Writer(out, seed)
    voices, heard = data_speech.HELD_OUT_VOICES, data_speech.TRAIN_VOICES
    writer.speech("speech new voices", 24 * size, voices)
    writer.speech("speech new speeds", 10 * size, heard, speeds=(115, 122, 208, 216))
    writer.speech("speech new phrases", 10 * size, heard, held_out=True)
    writer.speech("translation heard phrases", 24 * size, voices, translate=True)
    writer.pictures("pictures", 24 * size)
    writer.pictures("pictures new pairs", 8 * size, held_out=True)
    writer.recall("text recall long", 16 * size, facts=14, fillers=8)  # about three sliding windows
    writer.recall("text recall", 6 * size)
    for maker, _ in data_text.MAKERS[1:]:
        writer.text(maker, 6 * size)
    writer.films(6 * size)
    writer.write()


def examples(out):
    """The files that the demonstration shows."""
    out.mkdir(parents=True, exist_ok=True)
    still = [0.2, -0.3, 0.1]
    scene = {"background": [235, 240, 245], "digit": None, "shapes": [
        {"place": 0, "shape": "circle", "colour": "red", "jitter": still},
        {"place": 3, "shape": "square", "colour": "blue", "jitter": still}]}
    data_pictures.draw_scene(scene, 256).save(out / "shapes.png")
    spanish = _phrase("turn on the light")[LANGUAGES.index("es")]
    writer = Writer(out, 21)
    soundfile.write(out / "spanish.wav", writer.spoken(spanish, "es"), data_speech.SAMPLE_RATE,
                    subtype="PCM_16")
    frames = [{"background": [230, 235, 250], "digit": None, "shapes": [
        {"place": 0, "shape": "circle", "colour": colour, "jitter": still}]} for colour in ("red", "red", "blue")]
    write_film(out / "film.mp4", frames, writer.spoken("open the window", "en"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--examples", type=pathlib.Path, help="also write the demonstration's files here")
    options = parser.parse_args()
    evaluation(options.out, options.size)
    if options.examples:
        examples(options.examples)
