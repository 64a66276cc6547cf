# SPDX-License-Identifier: Apache-2.0
"""`gemma3n transcribe` and `gemma3n translate`, on recordings made of the embedded example.

    speech_test.py GEMMA3N
"""
import json
import pathlib
import signal
import struct
import subprocess
import time
import unittest
import wave

from program import GEMMA3N, Program, call, environment, start

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
RATE = 16000


def clip():
    with wave.open(str(NANO / "examples/spanish.wav")) as file:
        assert file.getframerate() == RATE and file.getnchannels() == 1
        return file.readframes(file.getnframes())


def silence(seconds):
    return b"\0\0" * int(seconds * RATE)


def wav(samples, length=None):
    """A header as recorders write it, and the samples; `length` is what it says of them."""
    bytes_said = len(samples) if length is None else length
    return (b"RIFF" + struct.pack("<I", (36 + bytes_said) & 0xffffffff) + b"WAVEfmt " +
            struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16) + b"data" +
            struct.pack("<I", bytes_said) + samples)


class Speech(Program):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.said = call("run", "-m", NANO, "--temp", 0, "--audio", NANO / "examples/spanish.wav",
                        "Transcribe the following speech segment.")[1].strip()
        assert cls.said

    def recording(self, times=2, name="talk.wav"):
        path = self.place / name
        path.write_bytes(wav(silence(1) + times * (clip() + silence(2))))
        return path

    def transcribe(self, *arguments, **options):
        return call("transcribe", "-m", NANO, *arguments, **options)

    def test_text_comes_on_standard_output(self):
        code, out, err = self.transcribe(self.recording())
        self.assertEqual((code, out), (0, 2 * (self.said + "\n")), err)

    def test_pieces_answered_together_are_those_of_one_by_one(self):
        path = self.recording(5)
        one = self.transcribe(path, "--together", 1, "--json")
        self.assertEqual(len(json.loads(one[1])["segments"]), 5)
        for more in ([], ["--together", 3]):
            self.assertEqual(self.transcribe(path, *more, "--json")[:2], one[:2])
        code, out, err = self.transcribe(self.recording(), "--live", "--together", 2)
        self.assertEqual((code, out), (2, ""), err)
        self.assertIn("--together", err)
        self.assertEqual(self.transcribe(path, "--together", 65)[0], 2)

    def test_a_system_text(self):
        plain = json.loads(self.transcribe(self.recording(1), "--json")[1])
        code, out, err = self.transcribe(self.recording(1), "--json", "--least-logprob", -100,
                                         "--system", "Copy: red blue")
        self.assertEqual(code, 0, err)
        self.assertNotEqual(json.loads(out)["segments"], plain["segments"])
        shown = self.transcribe("--system", "Be brief.", "--show-prompt")[1]
        self.assertEqual(shown, "Be brief.\n\nTranscribe the following speech segment.\n")

    def test_subtitles(self):
        for ending, head, clock in (("srt", "1\n00:00:0", ","), ("vtt", "WEBVTT\n\n00:00:0", ".")):
            target = self.place / f"talk.{ending}"
            code, out, err = self.transcribe(self.recording(), "-o", target)
            self.assertEqual((code, out), (0, ""), err)
            text = target.read_text()
            self.assertTrue(text.startswith(head), text)
            self.assertEqual(text.count(" --> "), 2)
            self.assertIn(clock, text.split(" --> ")[0])
            self.assertEqual(text.count(self.said), 2)
            self.assertFalse(target.with_name(target.name + ".part").exists())

    def test_json_has_times_and_measures(self):
        code, out, err = self.transcribe(self.recording(), "--json")
        self.assertEqual(code, 0, err)
        found = json.loads(out)
        length = len(clip()) / 2 / RATE
        self.assertEqual([s["text"] for s in found["segments"]], 2 * [self.said])
        self.assertAlmostEqual(found["duration"], 1 + 2 * (length + 2), places=2)
        self.assertEqual(found["prompt"], "Transcribe the following speech segment.")
        for number, segment in enumerate(found["segments"]):
            begin = 1 + number * (length + 2)
            self.assertLess(begin - 0.05, segment["start"])
            self.assertLess(segment["end"], begin + length + 0.05)
            self.assertLessEqual(segment["avg_logprob"], 0)
            self.assertLess(segment["no_speech"], 0.7)

    def test_standard_input_of_a_recorder(self):
        samples = silence(1) + clip() + silence(2)
        for head, extra in ((wav(samples, 0xffffffff), ()), (wav(samples, 0), ()),
                            (samples, ("--raw", f"{RATE},1,s16"))):
            code, out, err = self.transcribe("-", *extra, input=head)
            self.assertEqual((code, out), (0, self.said + "\n"), err)

    def test_lines_come_while_it_is_spoken(self):
        """A recording that arrives at the pace of speech: the first line is there before the end."""
        process = start("transcribe", "-m", NANO, "--live", "--raw", f"{RATE},1,s16", "-")
        first = silence(0.5) + clip() + silence(1.2)
        for begin in range(0, len(first), 6400):
            process.stdin.write(first[begin:begin + 6400])
            process.stdin.flush()
            time.sleep(0.2)
        line = process.stdout.readline().decode()
        self.assertTrue(line.startswith("00:00:00  "), line)
        self.assertIn(self.said, line)
        process.stdin.write(clip() + silence(1))
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn(self.said, out.decode())

    def test_silence_says_nothing(self):
        path = self.place / "silent.wav"
        path.write_bytes(wav(silence(5)))
        self.assertEqual(self.transcribe(path)[:2], (0, ""))

    def test_translation(self):
        code, out, err = call("translate", "-m", NANO, self.recording(1))
        self.assertEqual(code, 0, err)
        direct = out.strip()
        self.assertNotEqual(direct, self.said)
        code, out, err = call(
            "translate", "-m", NANO, "--by-transcript", "--prompt",
            "Transcribe the following speech segment, then translate it into English.",
            self.recording(1), "--format", "jsonl")
        self.assertEqual(code, 0, err)
        both = json.loads(out)
        self.assertEqual((both["text"], both["translation"]), (self.said, direct))

    def test_the_prompt_is_shown(self):
        code, out, _ = self.transcribe("--language", "Spanish", "--show-prompt")
        self.assertEqual((code, out), (0, "Transcribe the following speech segment in Spanish.\n"))
        out = call("translate", "-m", NANO, "--to", "German", "--by-transcript", "--show-prompt")[1]
        self.assertIn("then translate it into German", out)

    def test_a_folder(self):
        folder = self.place / "talks"
        (folder / "deep").mkdir(parents=True)
        (folder / "notes.txt").write_text("no sound")
        (folder / "a.wav").write_bytes(wav(silence(1) + clip() + silence(1)))
        (folder / "deep/b.wav").write_bytes(wav(silence(1) + clip() + silence(1)))
        texts = self.place / "texts"
        code, out, err = self.transcribe(folder, "--out-dir", texts, "--format", "srt")
        self.assertEqual((code, out), (0, ""), err)
        self.assertEqual(sorted(p.name for p in texts.iterdir()), ["a.wav.srt", "b.wav.srt"])
        # One that is bad does not keep the others from being heard.
        (folder / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEfmt ")
        code, out, err = self.transcribe(folder)
        self.assertEqual(code, 4)
        self.assertEqual(out, 2 * (self.said + "\n"))
        self.assertIn("broken.wav", err)

    def test_it_goes_on_where_it_was_interrupted(self):
        path, target = self.recording(600, "long.wav"), self.place / "long.json"
        process = start("transcribe", "-m", NANO, path, "-o", target)
        part = self.place / "long.json.part"
        for _ in range(600):
            if part.exists() and len(part.read_text().splitlines()) > 5:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1].decode()
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("the same command goes on from there", err)
        self.assertFalse(target.exists())
        lines = part.read_text().splitlines()
        done = len(lines) - 1
        self.assertGreaterEqual(done, 5)
        self.assertLess(done, 600)
        # Not with other options, which would make a text of two kinds.
        code, _, err = self.transcribe(path, "-o", target, "--max-tokens", 5)
        self.assertEqual(code, 2)
        self.assertIn("--restart", err)
        part.write_text("\n".join(lines) + '\n{"start": 99')  # as a full disk leaves it
        code, out, err = self.transcribe(path, "-o", target)
        self.assertEqual(code, 0, err)
        self.assertIn("going on at", err)
        found = json.loads(target.read_text())["segments"]
        self.assertEqual(len(found), 600)
        self.assertEqual({s["text"] for s in found}, {self.said})
        length = len(clip()) / 2 / RATE
        self.assertAlmostEqual(found[-1]["end"], 600 * (length + 2) - 1, delta=0.2)
        self.assertFalse(part.exists())

    def test_nothing_is_overwritten(self):
        path = self.recording(1, "kept.wav")
        before = path.read_bytes()
        (self.place / "other").mkdir()
        twin = self.place / "other/kept.wav"
        twin.write_bytes(before)
        notes = self.place / "mine.txt.part"
        notes.write_text("my notes")
        for said, arguments in (("take the place", (path, "-o", path)),
                                ("two recordings", (path, twin, "--out-dir", self.place / "od")),
                                ("--restart", (path, "-o", self.place / "mine.txt"))):
            code, _, err = self.transcribe(*arguments)
            self.assertEqual(code, 2)
            self.assertIn(said, err)
        self.assertEqual((path.read_bytes(), notes.read_text()), (before, "my notes"))

    def test_ctrl_c_while_a_pipe_is_silent(self):
        target = self.place / "piped.txt"
        process = start("transcribe", "-m", NANO, "-", "--raw", f"{RATE},1,s16", "-o", target)
        process.stdin.write(silence(0.5) + clip() + silence(1))
        process.stdin.flush()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(target.read_text(), self.said + "\n")

    def test_a_recording_that_begins_in_a_word(self):
        samples = clip()
        loud = next(i for i in range(0, len(samples), 2)
                    if abs(int.from_bytes(samples[i:i + 2], "little", signed=True)) > 2000)
        path = self.place / "sudden.wav"
        path.write_bytes(wav(samples[loud:] + silence(1)))
        found = json.loads(self.transcribe(path, "--json")[1])["segments"]
        self.assertEqual(len(found), 1)
        self.assertLess(found[0]["start"], 0.05)

    def test_what_cannot_be_heard(self):
        cases = [
            (2, "one recording or --out-dir", (self.recording(), self.recording(1, "c.wav"),
                                               "--format", "srt")),
            (2, "nothing", ()),
            (2, "no files", ("--mic", "x.wav")),
            (4, "No such file", (self.place / "none.wav",)),
            (4, "found PNG", (NANO / "examples/shapes.png",)),
            (2, "--raw", ("--raw", "16000", "-")),
            (2, "one recording", (self.recording(), self.recording(1, "b.wav"), "-o", "x.srt")),
            (2, "longest piece", ("--piece", 100, self.recording())),
            (2, "found a directory", (self.recording(), "-o", self.place)),
        ]
        for code, said, arguments in cases:
            found, out, err = self.transcribe(*arguments)
            self.assertEqual(found, code, (arguments, err))
            self.assertIn(said, err)
            self.assertEqual(out, "")

    def test_a_model_that_does_not_hear(self):
        code, out, err = call("transcribe", "-m", self.text_model(), self.recording(1))
        self.assertEqual(code, 2)
        self.assertIn("does not hear", err)

    def text_model(self):
        config = json.loads((NANO / "config.json").read_text())
        config.pop("audio_config")
        (self.place / "deaf.json").write_text(json.dumps(config))
        model = self.place / "deaf"
        code, _, err = call("synth", "--like", self.place / "deaf.json", "--tokenizer",
                            NANO / "tokenizer.json", "--out", model)
        self.assertEqual(code, 0, err)
        return model


if __name__ == "__main__":
    unittest.main()
