# SPDX-License-Identifier: Apache-2.0
"""`gemma3n watch`, on the embedded example's films as they play.

    watch_test.py GEMMA3N
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from program import GEMMA3N, Program, call, environment, start

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
FILM = NANO / "examples/film.mp4"  # of 3 s, five pictures each; a red circle is blue from 2 s on
# Questions that nano was taught, in place of yes and no.
UNTIL = ("--until", "What colour is the circle?", "--until-prompt", "{condition}", "--on-change")


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def stats(err):
    """name -> number, of the line that --stats prints."""
    line = next(line for line in err.splitlines() if line.startswith("pictures: "))
    counts = line.split(";")[0] + ","
    return {name: int(number) for number, name in re.findall(r"(\d+) ([a-z ]+),", counts)}


class Watch(Program):
    def watch(self, *arguments, **options):
        options.setdefault("timeout", 60)
        return call("watch", "-m", NANO, *arguments, **options)

    def test_pictures_that_did_not_change_are_not_encoded(self):
        code, out, err = self.watch(FILM, "--speed", 4, "--on-change", "--json", "--stats")
        self.assertEqual(code, 0, err)
        seen = lines(out)
        asked = [s for s in seen if not s["same"]]
        self.assertEqual([s["text"] for s in asked],
                         ["a red circle at the top left", "a blue circle at the top left"])
        for sighting in seen:
            self.assertEqual(sighting["encode_ms"] == 0, sighting["same"])
            self.assertLess(sighting["change"] if sighting["same"] else 0, 0.02)
        self.assertGreaterEqual(asked[1]["time"], 2)
        found = stats(err)
        self.assertEqual(found["seen"] + found["overtaken"], 15)
        self.assertEqual(found["looked at"], len(seen))
        self.assertEqual((found["encoded"], found["answered"]), (2, 2))
        self.assertEqual(found["unchanged"], len(seen) - 2)
        # Where every difference counts, every picture is encoded.
        err = self.watch(FILM, "--speed", 4, "--on-change", "--least-change", 0, "--stats")[2]
        found = stats(err)
        self.assertEqual(found["encoded"], found["looked at"])

    def test_lines_say_when(self):
        code, out, err = self.watch(FILM, "What is in the last picture?", "--speed", 2,
                                    "--every", "1s")
        self.assertEqual(code, 0, err)
        changed = [line for line in out.splitlines() if not line.endswith("  (same)")]
        self.assertRegex(changed[0], r"^0:00:00  a red circle  \(\d+\.\d\d s\)$")
        self.assertRegex(changed[1], r"^0:00:02  a blue circle  \(\d+\.\d\d s\)$")
        self.assertEqual(len(changed), 2)
        # Where nothing counts as a change, the last picture is as the first, however late it is.
        out = self.watch(FILM, "--speed", 2, "--every", "500ms", "--least-change", 1)[1]
        first, *others = out.splitlines()
        self.assertIn("a red circle", first)
        self.assertTrue(others)
        for line in others:
            self.assertRegex(line, r"^0:00:0[0-2]  \(same\)$")

    def test_until_ends_at_the_right_scene(self):
        code, out, err = self.watch(FILM, *UNTIL, "--answers", "blue,red", "--json", "--speed", 2)
        self.assertEqual(code, 0, err)
        *before, last = lines(out)
        self.assertTrue(last["holds"])
        self.assertGreaterEqual(last["time"], 2)
        self.assertGreater(last["probability"], 0.5)
        self.assertTrue(before)
        for sighting in before:
            self.assertFalse(sighting["holds"])
            self.assertLess(sighting["time"], 2)
            self.assertLess(sighting["probability"], 0.5)

    def test_until_that_never_comes(self):
        code, out, err = self.watch(FILM, *UNTIL, "--answers", "green,red", "--speed", 4)
        self.assertEqual(code, 1, err)
        self.assertIn("[green 0.0", out)

    def test_exec_runs_with_what_was_seen(self):
        told, copy = self.place / "told.txt", self.place / "seen.png"
        command = (f'echo "$GEMMA3N_TIME|$GEMMA3N_TEXT|$(ls /proc/self/fd | wc -l)" >> {told}; '
                   f'cp "$GEMMA3N_PICTURE" {copy}; echo spoken; cat')
        code, out, err = self.watch(FILM, "--speed", 2, "--every", "500ms", "--exec", command,
                                    "--json")
        self.assertEqual(code, 0, err)
        # 0, 1, 2, and the folder itself: nothing of ours.
        self.assertEqual(told.read_text(), "0:00:00|a red circle at the top left|4\n"
                                           "0:00:02|a blue circle at the top left|4\n")
        self.assertNotIn("spoken", out)
        self.assertIn("spoken", err)
        self.assertEqual(call("describe", "-m", NANO, copy)[1], "a blue circle at the top left\n")
        self.assertFalse(list(self.place.glob("gemma3n-*")))
        # With a condition, only when it holds.
        told.unlink()
        code, _, err = self.watch(FILM, *UNTIL, "--answers", "blue,red", "--speed", 2,
                                  "--exec", f'echo "$GEMMA3N_TEXT $GEMMA3N_TIME" >> {told}')
        self.assertEqual((code, told.read_text()), (0, "blue 0:00:02\n"), err)

    def test_exec_that_fails_or_goes_on_does_not_hold_us_up(self):
        code, _, err = self.watch(FILM, "--speed", 4, "--every", "1s", "--exec", "exit 3")
        self.assertEqual(code, 0)
        self.assertIn("exit code 3", err)
        # The second answer comes though the first one's command waits for it.
        go = self.place / "second"
        waits = f"for i in $(seq 600); do [ -e {go} ] && break; sleep 0.1; done"
        process = start("watch", "-m", NANO, FILM, "--speed", "4", "--every", "1s", "--exec", waits)
        while b"a blue circle" not in (line := process.stdout.readline()):
            self.assertTrue(line)
        go.touch()
        self.assertNotIn(b"still running", process.communicate(timeout=60)[1])
        self.assertEqual(process.returncode, 0)
        # Ctrl-C does not wait for one that would end by itself.
        process = start("watch", "-m", NANO, FILM, "--speed", "0.01", "--exec", "sleep 8")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        self.assertIn(b"1 still running", process.communicate(timeout=60)[1])

    def test_exec_leaves_no_picture_behind_us(self):
        folder, go = self.place / "temporary", self.place / "go"
        folder.mkdir()
        process = start("watch", "-m", NANO, FILM, "--speed", "0.01", "--exec",
                        f"for i in $(seq 600); do [ -e {go} ] && break; sleep 0.1; done",
                        env={"TMPDIR": str(folder)})
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        self.assertEqual(len(list(folder.iterdir())), 1)
        go.touch()
        self.assertIn(b"1 still running", process.communicate(timeout=60)[1])
        for _ in range(600):
            if not list(folder.iterdir()):
                break
            time.sleep(0.1)
        self.assertEqual(list(folder.iterdir()), [])

    def test_exec_without_a_temporary_folder(self):
        code, _, err = self.watch(FILM, "--speed", 4, "--exec", "true",
                                  env={"TMPDIR": str(self.place / "none")})
        self.assertEqual(code, 0, err)
        self.assertIn("--exec: passed over: TMPDIR", err)

    def test_who_is_slow_gets_the_newest(self):
        code, out, err = self.watch(FILM, "--speed", 200, "--on-change", "--least-change", 0,
                                    "--json", "--stats")
        self.assertEqual(code, 0, err)
        seen = lines(out)
        self.assertGreater(stats(err)["overtaken"], 0)
        times = [s["time"] for s in seen]
        self.assertEqual(times, sorted(set(times)))
        self.assertGreater(times[-1], 2.7)  # the last of all
        self.assertEqual(seen[-1]["text"], "a blue circle at the top left")

    def test_limits(self):
        code, out, err = self.watch(FILM, "--speed", 4, "--on-change", "--count", 1, "--json")
        self.assertEqual((code, len(lines(out))), (0, 1), err)
        code, out, err = self.watch(FILM, "--speed", 4, "--on-change", "--for", "1s", "--json")
        self.assertEqual(code, 0, err)
        self.assertLess(lines(out)[-1]["time"], 1)
        self.assertEqual(self.watch(FILM, *UNTIL, "--answers", "blue,red", "--for", "500ms")[0], 1)

    def test_ctrl_c(self):
        process = start("watch", "-m", NANO, FILM, "--speed", "0.01", "--stats")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(stats(err.decode())["answered"], 1)

    def test_ends_when_its_reader_leaves(self):
        for arguments in ((), ("--json",)):
            reads, writes = os.pipe()
            os.close(reads)
            # The film goes on for most of an hour.
            done = subprocess.run([GEMMA3N, "watch", "-m", NANO, FILM, "--speed", "0.001", *arguments],
                                  stdout=writes, stderr=subprocess.PIPE, env=environment(),
                                  timeout=60)
            os.close(writes)
            self.assertEqual((done.returncode, done.stderr), (5, b""))

    def test_standard_input(self):
        with open(FILM, "rb") as film:
            code, out, err = self.watch("-", "--on-change", stdin=film, input=None)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"^\d\d:\d\d:\d\d  a red circle at the top left")
        self.assertIn("a blue circle", out)
        # What cannot be read as it comes, and what comes to nothing.
        for sent in (FILM.read_bytes(), b"", b"no film"):
            code, out, err = self.watch("-", input=sent)
            self.assertEqual((code, out), (4, ""))
            self.assertIn("standard input", err)

    def test_ctrl_c_while_a_pipe_is_silent(self):
        process = start("watch", "-m", NANO, "-")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)
        self.assertEqual(process.returncode, 130)
        process.communicate()

    def test_a_film_that_is_cut_short(self):
        cut = self.place / "cut.mp4"
        cut.write_bytes(FILM.read_bytes()[:-3000])
        code, _, err = self.watch(cut, "--speed", 10)
        self.assertEqual(code, 4)
        self.assertIn("cut.mp4", err)

    def test_what_cannot_be_watched(self):
        cases = [
            (2, "expected one of --cam", ()),
            (2, "expected one source", (FILM, FILM)),
            (2, "--offline refuses", ("--url", "http://127.0.0.1:9/", "--offline")),
            (2, "expected one source", ("--screen", ":7", FILM)),
            (4, "No such file", (self.place / "none.mp4",)),
            (4, "none.png", (self.place / "none.png",)),
            (4, "/dev/none", ("--cam", "/dev/none")),
            (2, "--answers", (FILM, *UNTIL, "--answers", "ja")),
            (2, "different tokens", (FILM, *UNTIL, "--answers", "same,same")),
            (2, "--every", (FILM, "--every", "soon")),
            (2, "--for: expected more", (FILM, "--for", "0s")),
            (2, "--speed: expected a film", ("--cam", "--speed", 2)),
            (2, "--speed: expected a film", ("--speed", 2, "-")),
            (2, "least change", (FILM, "--least-change", 2)),
        ]
        for code, said, arguments in cases:
            found, out, err = self.watch(*arguments)
            self.assertEqual((found, out), (code, ""), (arguments, err))
            self.assertIn(said, err)

    def test_a_word_behind_cam_is_the_question(self):
        code, out, _ = self.watch("--cam", "What is it?", "--show-prompt")
        self.assertEqual((code, out), (0, "picture:\nWhat is it?\n"))


if __name__ == "__main__":
    unittest.main()
