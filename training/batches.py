# SPDX-License-Identifier: Apache-2.0
"""Training batches of the four kinds: speech, pictures, text, film."""
import json
import pathlib

import numpy as np
import torch

from training import data_film, data_pictures, data_text, tokenizer
from training.data_speech import MEL_FRAMES
from training.model import AUDIO_TOKENS, IMAGE_SIZE, IMAGE_TOKENS

LOG_FLOOR = float(np.log(1e-5))  # the mel value of silence
_IMAGE = "\n\n<start_of_image>" + "<image_soft_token>" * IMAGE_TOKENS + "<end_of_image>\n\n"
_AUDIO = "\n\n<start_of_audio>" + "<audio_soft_token>" * AUDIO_TOKENS + "<end_of_audio>\n\n"


def _pad_to(value, length):
    """`value` [rows, columns, ...] with as many columns as `length`; labels are padded as unlabelled."""
    fill = {torch.float32: LOG_FLOOR, torch.bool: False}.get(value.dtype, 0)
    shape = (value.shape[0], length - value.shape[1], *value.shape[2:])
    return torch.cat([value, value.new_full(shape, fill)], 1)


def _stretch(rows, rate, count):
    """`count` rows read from `rows` [n, m] at the positions 0, rate, 2 rate ...; beyond the end, the last."""
    places = np.minimum(np.arange(count) * rate, len(rows) - 1).astype(np.float32)
    low = places.astype(np.int64)
    part = (places - low)[:, None]
    return rows[low] * (1 - part) + rows[np.minimum(low + 1, len(rows) - 1)] * part


def join(batches):
    """One batch of several kinds, for one pass; its "kind" numbers the kind of each row."""
    batches = list(batches)
    out = {"kind": torch.cat([torch.full((len(b["ids"]),), i) for i, b in enumerate(batches)])}
    for name in ("ids", "labels", "pixels", "mels", "mel_mask", "chars", "char_lengths"):
        parts = [b[name] for b in batches if name in b]
        if not parts:
            continue
        if name in ("ids", "labels", "mels", "mel_mask"):
            longest = max(part.shape[1] for part in parts)
            if name == "labels":  # shifted, so that a padding of 0 means unlabelled
                parts = [_pad_to(part + 100, longest) - 100 for part in parts]
            else:
                parts = [_pad_to(part, longest) for part in parts]
        out[name] = torch.cat(parts)
    return out


class Batches:
    """Draws batches with a random state of its own. `directory` holds tok/ and speech/."""

    def __init__(self, directory, seed):
        directory = pathlib.Path(directory)
        self.rng = np.random.default_rng(seed)
        self.tokenizer = tokenizer.load(directory / "tok")
        self.mels = np.load(directory / "speech" / "mels.npy", mmap_mode="r")
        lines = (directory / "speech" / "clips.jsonl").read_text().splitlines()
        self.clips = [json.loads(line) for line in lines]
        letters = sorted({c for clip in self.clips for c in clip["text"]})
        self.text_groups, self.lessons = [], 0.0
        self.letters = {c: i + 1 for i, c in enumerate(letters)}

    def _ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def _conversation(self, turns):
        """(ids, labels): alternating user and model texts; only the model's words are learned."""
        ids, labels = [2], [-100]
        for number, text in enumerate(turns):
            if number % 2 == 0:
                part = self._ids(f"<start_of_turn>user\n{text}<end_of_turn>\n<start_of_turn>model\n")
                labels += [-100] * len(part)
            else:
                part = self._ids(f"{text}<end_of_turn>\n")
                labels += part[:-1] + [-100]
            ids += part
        return ids, labels

    @staticmethod
    def _pad(rows):
        longest = max(len(ids) for ids, _ in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        labels = torch.full((len(rows), longest), -100, dtype=torch.long)
        for i, (row, row_labels) in enumerate(rows):
            ids[i, :len(row)] = torch.tensor(row)
            labels[i, :len(row)] = torch.tensor(row_labels)
        return {"ids": ids, "labels": labels}

    def _mel(self, clip):
        """A clip's mel as another voice might say it: its bands and its time stretched a little, with a
        random cut at its start and, mostly, two masked bands."""
        mel = self.mels[clip["offset"]:clip["offset"] + clip["frames"]].astype(np.float32)
        mel = mel[self.rng.integers(0, 8):]
        if self.rng.random() < 0.7:
            mel = _stretch(mel.T, self.rng.uniform(0.9, 1.1), len(mel.T)).T
            rate = self.rng.uniform(0.88, 1.14)
            mel = _stretch(mel, rate, min(MEL_FRAMES, int(len(mel) / rate)))
        mel = mel + self.rng.uniform(-0.7, 0.7)
        if self.rng.random() < 0.6:
            band = self.rng.integers(0, 112)
            mel[:, band:band + self.rng.integers(4, 17)] = mel.mean()
            start = self.rng.integers(0, max(1, len(mel) - 12))
            mel[start:start + self.rng.integers(2, 9)] = mel.mean()
        return mel

    def _sound(self, clips):
        mels = [self._mel(clip) for clip in clips]
        longest = max(len(m) for m in mels)
        out = torch.full((len(mels), longest, mels[0].shape[1]), LOG_FLOOR)
        mask = torch.zeros(len(mels), longest, dtype=torch.bool)
        for i, mel in enumerate(mels):
            out[i, :len(mel)] = torch.from_numpy(mel)
            mask[i, :len(mel)] = True
        chars = [[self.letters[c] for c in clip["text"]] for clip in clips]
        return {"mels": out, "mel_mask": mask, "chars": torch.tensor(sum(chars, [])),
                "char_lengths": torch.tensor([len(c) for c in chars])}

    def _draw_clips(self, count):
        return [self.clips[i] for i in self.rng.integers(0, len(self.clips), count)]

    def sound(self, count):
        """Clips alone, for the audio tower by itself."""
        return self._sound(self._draw_clips(count))

    def speech(self, count):
        clips = self._draw_clips(count)
        rows = []
        for clip in clips:
            if clip["language"] == "en" or self.rng.random() < 0.45:
                prompt, answer = tokenizer.TRANSCRIBE, clip["text"]
            else:
                prompt, answer = tokenizer.TRANSLATE, f"{clip['text']}\nEnglish: {clip['english']}"
            rows.append(self._conversation([_AUDIO.join(["", prompt]), answer]))
        return {**self._pad(rows), **self._sound(clips)}

    def pictures(self, count):
        rows, pixels = [], []
        for _ in range(count):
            scene = data_pictures.random_scene(self.rng)
            image = data_pictures.draw_scene(scene, int(self.rng.choice((64, 96, 160))))
            pixels.append(data_pictures.pixels(image, IMAGE_SIZE))
            options = data_pictures.questions(scene)
            turns = []
            for i in self.rng.permutation(len(options))[:3]:  # the picture is looked at once
                turns += options[i][1:]
            turns[0] = _IMAGE + turns[0] if self.rng.random() < 0.7 else turns[0] + _IMAGE
            rows.append(self._conversation(turns))
        return {**self._pad(rows), "pixels": torch.from_numpy(np.stack(pixels)).float() / 255}

    def text(self, count):
        """Conversations of like length, about `count` of an average one: no time goes into padding."""
        if not self.text_groups:
            rows = sorted((self._conversation(data_text.random_conversation(self.rng, self.lessons))
                           for _ in range(8 * count)), key=lambda row: len(row[0]))
            budget = sum(len(ids) for ids, _ in rows) // 8
            group = []
            for row in rows:
                if group and len(row[0]) * (len(group) + 1) > budget:
                    self.text_groups.append(group)
                    group = []
                group.append(row)
            self.text_groups.append(group)
            self.rng.shuffle(self.text_groups)
        return self._pad(self.text_groups.pop())

    def film(self, count):
        """Frames with their times, then the soundtrack, then the question."""
        rows, pixels, clips = [], [], []
        for _ in range(count):
            scenes, question, answer = data_film.random_film(self.rng)
            parts = []
            for second, scene in enumerate(scenes):
                image = data_pictures.draw_scene(scene, 96)
                pixels.append(data_pictures.pixels(image, IMAGE_SIZE))
                parts.append(data_film.timestamp(second) + _IMAGE)
            clip = self.clips[self.rng.integers(len(self.clips))]
            clips.append(clip)
            if self.rng.random() < 0.4:
                question, answer = tokenizer.SAID, clip["text"]
            rows.append(self._conversation(["".join(parts) + _AUDIO + question, answer]))
        return {**self._pad(rows), **self._sound(clips),
                "pixels": torch.from_numpy(np.stack(pixels)).float() / 255}
