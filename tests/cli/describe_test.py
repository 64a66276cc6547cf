# SPDX-License-Identifier: Apache-2.0
"""`gemma3n describe`, on the embedded example's pictures and films.

    describe_test.py GEMMA3N
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

from program import GEMMA3N, Program, call, environment, start

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
FILM = NANO / "examples/film.mp4"  # of 3 s, in which a red circle becomes blue
PICTURES = ("pictures-0071.png", "pictures-0076.png")


def without(track, path):
    """The film without its track of this kind ("soun", "vide"), which becomes room that is free."""
    data = FILM.read_bytes()
    begin = data.rindex(b"trak", 0, data.index(track, data.index(b"moov")))
    path.write_bytes(data[:begin] + b"free" + data[begin + 4:])
    return path


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


class Describe(Program):
    def describe(self, *arguments, **options):
        return call("describe", "-m", NANO, *arguments, **options)

    def film(self, *arguments):
        """Without what nano was not taught."""
        return self.describe(FILM, "--no-summary", "--no-chapters", *arguments)

    def test_pictures_each_have_a_text(self):
        one = self.describe(NANO / "examples/shapes.png")
        self.assertEqual(one[:2], (0, "a red circle at the top left and a blue square at the bottom "
                                      "right\n"), one[2])
        paths = [NANO / "eval" / name for name in PICTURES]
        code, out, err = self.describe(*paths)
        self.assertEqual(code, 0, err)
        self.assertEqual(out, f"{paths[0]}: an orange triangle at the top right\n"
                              f"{paths[1]}: a yellow 3\n")

    def test_ends_when_its_reader_leaves(self):
        bad = self.place / "never_reached.png"
        bad.write_bytes(b"\x89PNG\r\n\x1a\n")
        for first in (NANO / "eval" / PICTURES[0], FILM):
            for arguments in ((), ("--json",)):
                reads, writes = os.pipe()
                os.close(reads)
                done = subprocess.run([GEMMA3N, "describe", "-m", NANO, first, bad, *arguments],
                                      stdout=writes, stderr=subprocess.PIPE, env=environment())
                os.close(writes)
                self.assertEqual((done.returncode, done.stderr), (5, b""))

    def test_words_are_the_question(self):
        code, out, err = self.describe(NANO / "eval/pictures-0071.png", "What is at", "the top right?",
                                       "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["text"], "an orange triangle")

    def test_texts_are_held_to_a_schema(self):
        schema, whats = self.place / "seen.json", ["a red circle", "an orange triangle", "a yellow 3"]
        schema.write_text(json.dumps({
            "type": "object", "required": ["what", "count"], "additionalProperties": False,
            "properties": {"what": {"enum": whats},
                           "count": {"type": "integer", "minimum": 1, "maximum": 9}}}))
        paths = [NANO / "eval" / name for name in PICTURES]
        code, out, err = self.describe(*paths, "--schema", schema, "--json")
        self.assertEqual(code, 0, err)
        for found, path in zip(lines(out), paths, strict=True):
            self.assertEqual((found["file"], found["finish_reason"]), (str(path), "stop"))
            text = json.loads(found["text"])
            self.assertEqual(list(text), ["what", "count"])
            self.assertIn(text["what"], whats)
            self.assertIn(text["count"], range(1, 10))
        # Of a film each window; the summary is the model's own words.
        code, out, err = self.describe(FILM, "--window", 1.5, "--no-chapters", "--schema", schema, "--json",
                                       "--summary-prompt", "Repeat: ball hat")
        self.assertEqual(code, 0, err)
        *windows, report = lines(out)
        self.assertEqual([list(json.loads(one["text"])) for one in windows], 2 * [["what", "count"]])
        self.assertEqual(report["summary"], "ball hat")
        schema.write_text('{"type": "object", "properties": {"a": {"type": "thing"}}}')
        code, out, err = self.describe(paths[0], "--schema", schema)
        self.assertEqual((code, out), (2, ""))
        self.assertIn(f"{schema}: /properties/a/type: ", err)

    def test_a_folder_with_a_bad_picture(self):
        folder = self.place / "mixed"
        (folder / "deep").mkdir(parents=True)
        shutil.copy(NANO / "eval" / PICTURES[0], folder / "a.png")
        (folder / "b.png").write_bytes((NANO / "eval" / PICTURES[1]).read_bytes()[:200])
        (folder / "notes.txt").write_text("no picture")
        shutil.copy(NANO / "eval" / PICTURES[1], folder / "deep/c.png")
        code, out, err = self.describe(folder, "--json")
        self.assertEqual(code, 4)
        first, bad, last = lines(out)
        self.assertEqual(first["text"], "an orange triangle at the top right")
        self.assertEqual(last["text"], "a yellow 3")
        self.assertNotIn("text", bad)
        self.assertIn("b.png", bad["error"])
        self.assertIn(bad["error"], err)
        target = self.place / "mixed.json"
        self.assertEqual(self.describe(folder, "-o", target)[:2], (4, ""))
        self.assertEqual([bool(o.get("error")) for o in json.loads(target.read_text())],
                         [False, True, False])

    def test_a_film_in_windows(self):
        code, out, err = self.film("What is in the last picture?", "--window", 1, "--json")
        self.assertEqual(code, 0, err)
        *windows, report = lines(out)
        self.assertEqual([(w["from"], w["to"]) for w in windows], [(0, 1), (1, 2), (2, 3)])
        self.assertEqual([w["text"] for w in windows],
                         ["a red circle", "a red circle", "a blue circle"])
        self.assertEqual((report["duration"], report["complete"]), (3, True))
        # The same as text.
        code, out, err = self.film("What is in the last picture?", "--window", 1)
        self.assertEqual((code, out), (0, "0:00:00  a red circle\n0:00:01  a red circle\n"
                                          "0:00:02  a blue circle\n"), err)
        self.assertEqual(self.film("What happens in the film?")[1],
                         "0:00:00  the circle turns from red to blue\n")

    def test_the_summary_comes_along(self):
        """nano repeats what it is told to, the summary so far too. Where there is none yet, its line
        is left out."""
        code, out, err = self.describe(
            FILM, "--no-chapters", "--window", 1.5, "--json", "--prompt", "Repeat: red {summary}",
            "--summary-prompt", "Repeat: ball hat {summary}")
        self.assertEqual(code, 0, err)
        first, second, report = lines(out)
        self.assertTrue(first["summary"])
        self.assertEqual(second["summary"], "ball hat " + first["summary"])
        self.assertEqual(report["summary"], second["summary"])

    def test_a_span_and_frames(self):
        code, out, err = self.describe(f"{FILM} 0:02-0:03", "What is in the last picture?",
                                       "--no-summary", "--no-chapters", "--no-sound", "--stats")
        self.assertEqual((code, out), (0, "0:00:02  a blue circle\n"), err)
        self.assertIn("1 windows, 1 frames, 0 clips", err)
        err = self.film("What happens in the film?", "--fps", 4, "--frames", 5, "--stats",
                        "--window", 3)[2]
        self.assertIn("1 windows, 5 frames, 1 clips", err)

    def test_a_film_without_sound_and_one_without_pictures(self):
        mute = without(b"soun", self.place / "mute.mp4")
        arguments = ("What is in the last picture?", "--no-summary", "--no-chapters", "--stats")
        code, out, err = self.describe(mute, *arguments)
        self.assertEqual((code, out), self.describe(FILM, "--no-sound", *arguments)[:2], err)
        self.assertIn("3 frames, 0 clips", err)
        code, out, err = self.describe(without(b"vide", self.place / "blind.mp4"))
        self.assertEqual((code, out), (4, ""))
        self.assertIn("no video track", err)

    def test_frames_by_scenes(self):
        err = self.film("What is in the last picture?", "--scenes", "--stats", "--window", 3)[2]
        self.assertIn("1 windows, 2 frames, 1 clips", err)
        err = self.film("What is in the last picture?", "--scenes", "--scene-change", 0.9, "--stats",
                        "--window", 3)[2]
        self.assertIn("1 windows, 1 frames", err)

    def test_scenes_can_be_switched_off(self):
        config = self.place / "scenes.toml"
        for value, frames in (("false", 3), ("true", 2)):
            config.write_text(f"scenes = {value}\n")
            for arguments, extra in (((f"--scenes={value}",), None), ((), {"GEMMA3N_SCENES": value}),
                                     (("--config", config), None)):
                err = self.describe(FILM, "What is in the last picture?", "--no-summary", "--stats",
                                    "--no-chapters", *arguments, env=extra)[2]
                self.assertIn(f"1 windows, {frames} frames", err, arguments)
        # On the command line it counts before the file.
        err = self.film("What is it?", "--config", config, "--scenes=false", "--stats")[2]
        self.assertIn("1 windows, 3 frames", err)

    def test_chapters_for_other_programs(self):
        for ending, head, mark in (("vtt", "WEBVTT\n\n00:00:00.000 --> ", " --> 00:00:03.000\n"),
                                   ("txt", ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\n",
                                    "\nEND=3000\n")):
            target = self.place / f"chapters.{ending}"
            code, out, err = self.describe(FILM, "--window", 1, "--chapters", target, "--json")
            self.assertEqual(code, 0, err)
            text = target.read_text()
            self.assertTrue(text.startswith(head), text)
            self.assertIn(mark, text)
            chapters = lines(out)[-1]["chapters"]
            self.assertEqual(text.count("-->" if ending == "vtt" else "[CHAPTER]"), len(chapters))
            self.assertEqual([c["end"] for c in chapters[:-1]], [c["start"] for c in chapters[1:]])

    def test_the_prompts_are_shown(self):
        code, out, _ = self.describe("--show-prompt")
        self.assertEqual(code, 0)
        self.assertIn("Describe the picture.", out)
        self.assertIn("{summary}", out)
        out = self.describe("--show-prompt", "--prompt", "What moves?")[1]
        self.assertEqual(out.count("What moves?"), 2)

    def test_ctrl_c_keeps_what_there_is(self):
        target = self.place / "ended.json"
        process = start("describe", "-m", NANO, "-o", target, *20 * [str(FILM)], "--window", 0.2,
                        "--fps", 10)
        part = self.place / "ended.json.part"
        for _ in range(600):
            if part.exists() and part.read_text().count("\n") > 3:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1].decode()
        self.assertEqual(process.returncode, 130, err)
        found = json.loads(target.read_text())
        self.assertGreaterEqual(len(found), 3)
        self.assertFalse(found[-1]["complete"])
        self.assertFalse(part.exists())

    def test_a_pipe_is_no_film(self):
        pipe = self.place / "pipe"
        os.mkfifo(pipe)  # which nobody writes into
        code, out, err = self.describe(pipe, timeout=60)
        self.assertEqual((code, out), (4, ""))
        self.assertIn("found a device or pipe", err)

    def test_what_cannot_be_described(self):
        picture = NANO / "examples/shapes.png"
        cases = [
            (2, "expected pictures", ()),
            (2, "is no file", ("photo",)),
            (2, "found both", (picture, "What?", "--prompt", "x")),
            (4, "No such file", (self.place / "none.png",)),
            (4, "found WAV", (NANO / "examples/spanish.wav",)),
            (4, "found none", (self.empty(),)),
            (2, "one film", (picture, "--chapters", self.place / "c.vtt")),
            (2, "window, seconds", (FILM, "--window", -1)),
            (2, "the context has", (FILM, "--ctx", 150)),
            (4, "span of the film", (f"{FILM} 0:10-0:20",)),
            (2, "expected two files", (FILM, "-o", self.place / "x", "--chapters",
                                       f"{self.place}/./x")),
            (2, "take the place", (picture, "-o", picture)),
        ]
        for code, said, arguments in cases:
            found, _, err = self.describe(*arguments)
            self.assertEqual(found, code, (arguments, err))
            self.assertIn(said, err)

    def empty(self):
        folder = self.place / "empty"
        folder.mkdir(exist_ok=True)
        return folder

    def test_a_model_that_does_not_see(self):
        config = json.loads((NANO / "config.json").read_text())
        config.pop("vision_config")
        (self.place / "blind.json").write_text(json.dumps(config))
        model = self.place / "blind"
        code, _, err = call("synth", "--like", self.place / "blind.json", "--tokenizer",
                            NANO / "tokenizer.json", "--out", model)
        self.assertEqual(code, 0, err)
        code, _, err = call("describe", "-m", model, FILM)
        self.assertEqual(code, 2)
        self.assertIn("does not see", err)


if __name__ == "__main__":
    unittest.main()
