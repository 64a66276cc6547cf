# SPDX-License-Identifier: Apache-2.0
"""Talking with `gemma3n chat`: what is heard, what is spoken, and who interrupts whom.

    talk_test.py GEMMA3N
"""
import array
import ctypes
import json
import math
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

from program import GEMMA3N, Program, Terminal, call, environment

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
EVAL = NANO / "eval"
RATE = 16000
RAW = ("--raw", f"{RATE},1,s16")
ASK = ("--ask", "Transcribe the following speech segment.")
HAS_MEDIA = (pathlib.Path(GEMMA3N).parent / "gemma3n-media").exists()


def silence(seconds):
    return b"\0\0" * int(seconds * RATE)


def clip(name):
    """16-bit samples of a sound of the evaluation set, read by libsndfile."""

    class Info(ctypes.Structure):
        _fields_ = [("frames", ctypes.c_int64)] + [
            (field, ctypes.c_int) for field in ("rate", "channels", "format", "sections", "seekable")]

    library = ctypes.CDLL("libsndfile.so.1")
    library.sf_open.restype = ctypes.c_void_p
    info = Info()
    file = ctypes.c_void_p(library.sf_open(str(EVAL / name).encode(), 0x10, ctypes.byref(info)))
    assert file and info.rate == RATE and info.channels == 1
    samples = (ctypes.c_int16 * info.frames)()
    library.sf_readf_short.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    assert library.sf_readf_short(file, samples, info.frames) == info.frames
    library.sf_close(file)
    return bytes(samples)


HAT, HAT_SAID = clip("speech new voices-0016.flac"), "bring the black hat"
BOOK, BOOK_SAID = clip("speech new voices-0014.flac"), "open the book"


class Microphone(threading.Thread):
    """A pipe with a name that hears silence at the pace of the clock, and whatever is said into it.

    To be started when the program has been: a process with threads is not to be forked.
    """

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.sound, self.open = path, b"", True
        self.lock = threading.Lock()
        os.mkfifo(path)

    def say(self, samples):
        with self.lock:
            self.sound += samples

    def said(self, samples):
        """Says it, and waits until it has been heard, or was not, with a second of silence."""
        self.say(samples + silence(1))
        while self.sound:
            time.sleep(0.05)

    def close(self):
        self.open = False
        if self.is_alive():
            self.join(10)  # it waits where nobody has ever listened

    def run(self):
        piece = RATE // 10 * 2
        try:
            with open(self.path, "wb", buffering=0) as pipe:
                due = time.monotonic()
                while self.open:
                    with self.lock:
                        now, self.sound = self.sound[:piece], self.sound[piece:]
                    pipe.write(now.ljust(piece, b"\0"))
                    due += 0.1
                    time.sleep(max(0, due - time.monotonic()))
        except BrokenPipeError:  # the program has left
            pass


class Hearing(Program):
    def talk(self, *arguments, ask=ASK, **options):
        """A chat on a terminal, and the microphone it hears."""
        microphone = Microphone(self.place / f"mic-{self._testMethodName}")
        terminal = Terminal("chat", "-m", NANO, "--temp", 0, "--mic", microphone.path, *RAW, *ask,
                            *arguments, **options)
        microphone.start()
        self.addCleanup(microphone.close)
        terminal.until("listening: speak, or type")
        return terminal, microphone

    def leave(self, terminal):
        terminal.until("listening: speak, or type")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_speech_and_lines_in_one_conversation(self):
        terminal, microphone = self.talk()
        microphone.say(HAT)
        terminal.until(HAT_SAID)
        terminal.until("listening")
        terminal.send("What is 7 plus 5?\r")
        terminal.until(">>> ")
        terminal.until("12\r\n")
        terminal.until("listening")
        microphone.say(BOOK)
        terminal.until(BOOK_SAID)
        terminal.until("listening")
        terminal.send("/show prompt\r")
        for line in ("<audio_soft_token>", ASK[1] + "<end_of_turn>", HAT_SAID + "<end_of_turn>",
                     "What is 7 plus 5?<end_of_turn>", "12<end_of_turn>", "<audio_soft_token>"):
            terminal.until(line)
        self.leave(terminal)

    def test_what_is_said_is_read_while_it_is_said(self):
        terminal, microphone = self.talk("--stats")
        microphone.say(HAT)
        terminal.until(HAT_SAID)
        terminal.until("tokens known already")
        read, known = re.findall(r"prompt (\d+) tokens.*?(\d+) tokens known", terminal.seen)[-1]
        self.assertGreater(int(known), int(read), terminal.seen)
        self.leave(terminal)

    def test_nothing_is_heard_while_lines_are_typed(self):
        terminal, microphone = self.talk()
        terminal.send('"""What is\r')
        terminal.until("... ")
        microphone.said(HAT)
        terminal.send('7 plus 5?"""\r')
        terminal.until("listening")
        microphone.say(BOOK)
        terminal.until(BOOK_SAID)
        self.assertNotIn(HAT_SAID, terminal.seen)
        self.leave(terminal)

    def test_nothing_is_heard_twice(self):
        terminal, microphone = self.talk()
        other = Microphone(self.place / "mic-other")
        terminal.send(f"/mic {other.path}\r")
        terminal.until("listening; Enter ends")
        other.start()
        self.addCleanup(other.close)
        microphone.said(BOOK)
        other.say(HAT)
        terminal.until("sound attached")
        terminal.until("listening: speak, or type")
        terminal.send(ASK[1] + "\r")
        terminal.until(HAT_SAID)
        self.leave(terminal)
        self.assertNotIn(BOOK_SAID, terminal.seen)

    def test_a_model_that_does_not_hear(self):
        config = json.loads((self.model / "config.json").read_text())
        del config["audio_config"]
        (self.place / "deaf.json").write_text(json.dumps(config))
        deaf = self.place / "deaf"
        self.assertEqual(call("synth", "--like", self.place / "deaf.json", "--out", deaf)[0], 0)
        terminal, _ = self.talk()
        terminal.send(f"/model {deaf}\r")
        terminal.until("this model does not hear; the chat goes on typed")
        terminal.until(">>> ")
        terminal.send("/show model\r")
        terminal.until("sound no")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_another_model_hears_less_at_a_time(self):
        less = self.place / "less"
        shutil.copytree(NANO, less, ignore=shutil.ignore_patterns("eval", "examples"))
        for name, key in (("config.json", "audio_soft_tokens_per_image"),
                          ("processor_config.json", "audio_seq_length")):
            config = json.loads((NANO / name).read_text())
            config[key] = 8
            (less / name).write_text(json.dumps(config))
        terminal, microphone = self.talk()
        terminal.send(f"/model {less}\r")
        terminal.until(">>> ")
        terminal.until("listening")
        microphone.say(HAT)
        terminal.until("heard ")
        terminal.until(" s")
        self.assertLess(float(re.findall(r"heard ([\d.]+) s", terminal.seen)[-1]), 1.5)
        terminal.until("heard ")  # the rest of it
        self.leave(terminal)

    def test_pictures_go_with_what_is_said(self):
        terminal, microphone = self.talk()
        terminal.send(f"/image {EVAL}/pictures-0070.png\r")
        terminal.until("picture attached")
        terminal.until("listening")
        microphone.say(HAT)
        terminal.until("heard ")
        terminal.until("listening")
        terminal.send("/show prompt\r")
        terminal.until("<start_of_turn>user")
        terminal.until("image_soft_token")
        terminal.until("audio_soft_token")
        terminal.until(ASK[1] + "<end_of_turn>")
        terminal.until("listening")
        terminal.send("Describe the picture.\r")
        terminal.until("red square")
        self.leave(terminal)

    def test_ctrl_c_while_listening(self):
        terminal, microphone = self.talk()
        terminal.send("\x03")
        terminal.until("Ctrl-C again or /bye leaves")
        terminal.until("listening")
        microphone.say(HAT)
        terminal.until(HAT_SAID)
        terminal.until("listening")
        terminal.send("\x03")
        terminal.until("Ctrl-C again")
        terminal.until("listening")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), 0)

    def test_a_pipe_alone(self):
        sound = silence(0.5) + HAT + silence(1.5) + BOOK + silence(1)
        code, out, err = call("chat", "-m", NANO, "--temp", 0, "--mic", "-", *RAW, *ASK, input=sound)
        self.assertEqual(code, 0, err)
        self.assertEqual(out.splitlines(), [HAT_SAID, BOOK_SAID], err)
        self.assertEqual(err.count("heard "), 2)

    def test_all_that_was_said_is_answered_before_the_end_is_told(self):
        sound = b"".join(silence(0.5) + said + silence(1) for said in (HAT, BOOK))
        # The last is still being said when the sound ends.
        for speaks in ((), ("--speak-with", "cat")):
            code, out, err = call("chat", "-m", NANO, "--temp", 0, "--mic", "-", *RAW, *ASK, *speaks,
                                  input=sound + HAT)
            self.assertEqual(code, 0, err)
            self.assertEqual(out.splitlines(), [HAT_SAID, BOOK_SAID, HAT_SAID], err)
            self.assertEqual(err.count("the sound has ended"), 1, err)
            self.assertTrue(err.endswith("the sound has ended\n"), err)

    def test_a_microphone_that_goes_away_behind_the_last_word(self):
        # Its reader says how long the sound is, hands over some, and ends.
        records = struct.pack("<II16x", 1, 16)
        samples = struct.unpack(f"<{len(HAT) // 2}h", HAT)
        for at in range(0, len(samples), 8000):
            piece = [sample / 32768 for sample in samples[at:at + 8000]]
            records += struct.pack(f"<IIII{len(piece)}f", 3, 8 + 4 * len(piece), RATE, 1, *piece)
        (self.place / "records").write_bytes(records)
        reader = self.place / "reader"
        reader.write_text(f"#!/bin/sh\nexec cat '{self.place}/records'\n")
        reader.chmod(0o755)
        code, out, err = call("chat", "-m", NANO, "--temp", 0, "--mic", "hw:1", *ASK,
                              env={"GEMMA3N_MEDIA": reader})
        self.assertEqual(out.splitlines(), [HAT_SAID], err)
        self.assertIn("microphone hw:1: gives no sound any more", err.splitlines()[-1])
        self.assertEqual(code, 4, err)

    def test_lines_of_a_script_beside_it(self):
        path = self.place / "said.raw"
        path.write_bytes(silence(0.3) + HAT + silence(1))
        code, out, err = call("chat", "-m", NANO, "--temp", 0, "--mic", path, *RAW, *ASK,
                              input=b"What is 7 plus 5?\n")
        self.assertEqual(code, 0, err)
        self.assertEqual(out.splitlines(), ["12", HAT_SAID], err)

    def test_the_end_of_the_sound_leaves_the_lines(self):
        terminal, microphone = self.talk()
        microphone.say(HAT)
        terminal.until(HAT_SAID)
        terminal.until("listening")
        microphone.close()
        terminal.until("the sound has ended")
        terminal.until(">>> ")
        terminal.send("What is 7 plus 5?\r")
        terminal.until("12\r\n")
        terminal.until(">>> ")
        terminal.send("\x04")
        self.assertEqual(terminal.wait(), 0)

    def test_leaving_waits_for_no_sound(self):
        path = self.place / "never"
        os.mkfifo(path)
        pipe = os.open(path, os.O_RDWR)  # compressed, which is first kept, and never ends
        os.write(pipe, (EVAL / "speech new voices-0016.flac").read_bytes()[:16000])
        terminal = Terminal("chat", "-m", NANO, "--mic", path)
        self.leave(terminal)
        os.close(pipe)

    def test_a_microphone_that_goes_away(self):
        if not HAS_MEDIA:
            self.skipTest("microphones need gemma3n-media")
        config = self.place / "alsa.conf"
        config.write_text("pcm.nothing { type null }\n")
        terminal = Terminal("chat", "-m", NANO, "--temp", 0, "--mic", "nothing",
                            env={"ALSA_CONFIG_PATH": config})
        terminal.until("listening")
        terminal.send("What is 7 plus 5?\r")
        terminal.until("12\r\n")
        terminal.until("listening")
        children = pathlib.Path(f"/proc/{terminal.process.pid}/task").glob("*/children")
        for child in " ".join(c.read_text() for c in children).split():
            os.kill(int(child), signal.SIGKILL)
        terminal.until("microphone nothing: ")
        terminal.until(">>> ")
        terminal.send("What is 2 plus 2?\r")
        terminal.until("4\r\n")
        terminal.until(">>> ")
        terminal.send("/show prompt\r")
        terminal.until("12<end_of_turn>")  # what was said before is kept
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_what_cannot_be_heard(self):
        for code, said, arguments in (
                (2, "--raw: expected", ("--mic", "-", "--raw", "16000")),
                (4, "microphone nowhere: cannot be opened", ("--mic", "nowhere"))):
            if "nowhere" in arguments and not HAS_MEDIA:
                continue
            self.refused(code, said, "chat", "-m", NANO, "--quiet", *arguments)
        code, _, err = call("chat", "-m", NANO, "--mic", "-", input=b"no sound at all")
        self.assertEqual(code, 4, err)

    def test_one_utterance_is_attached(self):
        path = self.place / "one.raw"
        path.write_bytes(silence(0.3) + HAT + silence(1) + BOOK)
        code, out, err = call("chat", "-m", NANO, "--temp", 0, *RAW,
                              input=f"/mic {path}\n{ASK[1]}\n/mic\n".encode())
        self.assertEqual(code, 0, err)
        self.assertIn("sound attached to the next message: what was said", err)
        self.assertEqual(out.splitlines(), [HAT_SAID], err)
        path.write_bytes(silence(1))
        _, _, err = call("chat", "-m", NANO, *RAW, input=f"/mic {path}\n".encode())
        self.assertIn("no speech was heard; nothing is attached", err)

    def test_enter_ends_an_utterance(self):
        microphone = Microphone(self.place / "mic-enter")
        terminal = Terminal("chat", "-m", NANO, "--temp", 0, *RAW)
        microphone.start()
        self.addCleanup(microphone.close)
        terminal.until(">>> ")
        terminal.send(f"/mic {microphone.path}\r")
        terminal.until("listening; Enter ends")
        microphone.say(HAT + HAT)
        while not set("\u2585\u2586\u2587\u2588") & set(terminal.seen[terminal.at:]):  # its level
            self.assertTrue(terminal._read(60), terminal.seen)
        time.sleep(0.5)
        terminal.send("\r")
        terminal.until("sound attached")
        terminal.until(">>> ")
        terminal.send(f"/mic {microphone.path}\r")
        terminal.until("listening; Enter ends")
        terminal.send("\x03")
        terminal.until("stopped; nothing is attached")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)


class Seeing(Program):
    def look(self, *lines, env=None):
        return call("chat", "-m", NANO, "--temp", 0, env=env,
                    input="".join(line + "\n" for line in lines).encode())

    def test_a_picture_of_what_a_camera_sees(self):
        if not HAS_MEDIA:
            self.skipTest("cameras need gemma3n-media")
        film = EVAL / "film-0162.mp4"  # in a camera's place
        code, out, err = self.look(f"/cam {film}", "Describe the picture.")
        self.assertEqual(code, 0, err)
        self.assertRegex(err, r"picture attached to the next message: what the camera sees, \d+ tokens")
        self.assertTrue(out.startswith("a blue triangle at "), out)  # before it turns green

    def test_ctrl_c_while_looking(self):
        started, reader = self.place / "started", self.place / "reader"  # which gives no picture
        reader.write_text(
            "#!/bin/sh\nprintf '\\001\\0\\0\\0\\020\\0\\0\\0'; head -c 16 /dev/zero\n"
            f": > '{started}'; exec sleep 600\n")
        reader.chmod(0o755)
        terminal = Terminal("chat", "-m", NANO, env={"GEMMA3N_MEDIA": reader})
        terminal.until(">>> ")
        terminal.send(f"/cam {EVAL}/film-0162.mp4\r")
        while not started.exists():
            time.sleep(0.01)
        terminal.send("\x03")
        terminal.until("stopped; nothing is attached")
        terminal.until(">>> ")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_what_cannot_be_seen(self):
        if not HAS_MEDIA:
            self.skipTest("cameras need gemma3n-media")
        code, out, err = self.look("/cam /dev/nothing", "/cam 63", "/screen", "/screen :77",
                                   "What is 7 plus 5?", env={"DISPLAY": ""})
        self.assertEqual((code, out), (0, "12\n"), err)
        for part in ("/dev/nothing: ", "/dev/video63: ", "DISPLAY is not set", ":77"):
            self.assertIn(part, err)
        self.assertNotIn("attached", err)
        self.assertEqual(err.count("\n"), 5, err)  # a line each


SPEAKER = """#!/bin/sh
# Reads as a voice would, a line at a time, until it is told to end or 60 s are over, and tells what
# became of it: who is killed may not get so far.
trap 'echo killed >> "$LOG"; exit 1' TERM
while IFS= read -r line; do
  printf 'said %s\\n' "$line" >> "$LOG"
  tenths=0
  while [ ! -e "$GO" ] && [ $tenths -lt 600 ]; do sleep 0.1; tenths=$((tenths + 1)); done
done
echo ended >> "$LOG"
"""


def alive(process):
    try:
        status = pathlib.Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class Speaking(Program):
    def setUp(self):
        self.log = self.place / f"log-{self._testMethodName}"
        self.speaker = self.place / "speaker"
        self.speaker.write_text(SPEAKER)
        self.speaker.chmod(0o755)
        self.go = self.place / f"go-{self._testMethodName}"  # made: the voice ends its lines at once

    def logged(self, line, terminal=None, seconds=60):
        """Waits for a line of the speaker's; a terminal that nobody reads would hold its program up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.log.exists() and line in self.log.read_text().splitlines():
                return
            if terminal:
                terminal._read(0.05)
            else:
                time.sleep(0.05)
        self.fail(f"expected {line!r}, found {self.log.exists() and self.log.read_text()!r}")

    def environment(self):
        return {"LOG": self.log, "GO": self.go}

    def test_answers_are_spoken(self):
        self.go.touch()
        code, out, err = call("chat", "-m", NANO, "--temp", 0, "--speak-with", self.speaker,
                              env=self.environment(),
                              input=b"What is 7 plus 5?\nSay: $(reboot) `x` **red** \x1b[1mblue\n")
        self.assertEqual(code, 0, err)
        self.logged("said 12")
        lines = self.log.read_text().splitlines()
        self.assertEqual(lines.count("ended"), 2, lines)
        self.assertEqual([line for line in lines if line.startswith("said")][0], "said 12")

    def test_a_key_and_ctrl_c_stop_the_voice(self):
        for key in ("\x03", "x"):
            self.log.unlink(missing_ok=True)
            terminal = Terminal("chat", "-m", NANO, "--temp", 0, "--speak-with", self.speaker,
                                env=self.environment())
            terminal.until(">>> ")
            terminal.send("What is 7 plus 5?\r")
            self.logged("said 12", terminal)
            terminal.send(key)
            terminal.until(">>> ", seconds=30)
            self.assertNotIn("ended", self.log.read_text())
            terminal.send("\x03")
            terminal.until(">>> ")
            kept = self.place / "kept.json"
            terminal.send(f"/save {kept}\r")
            terminal.until(">>> ")
            self.assertEqual(json.loads(kept.read_text())["turns"][1]["text"], "12")
            terminal.send("/bye\r")
            self.assertEqual(terminal.wait(), 0)

    def test_a_signal_leaves_nothing_behind(self):
        for how in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            self.log.unlink(missing_ok=True)
            terminal = Terminal("chat", "-m", NANO, "--temp", 0, "--speak-with", "echo \"pid $$\" >> "
                                "\"$LOG\"; trap '' TERM INT; cat > /dev/null; sleep 600",
                                env=self.environment())
            terminal.until(">>> ")
            terminal.send("What is 7 plus 5?\r")
            terminal.until("12\r\n")
            while not self.log.exists() or not self.log.read_text().endswith("\n"):
                time.sleep(0.01)
            speaker = int(self.log.read_text().split()[1])
            end = time.monotonic() + 60
            while termios.tcgetattr(terminal.master)[3] & termios.ICANON:  # until a key would stop it
                self.assertLess(time.monotonic(), end)
            terminal.process.send_signal(how)
            terminal.process.wait(60)
            self.assertTrue(termios.tcgetattr(terminal.master)[3] & termios.ICANON)
            self.assertEqual(terminal.wait(), -how)
            while alive(speaker):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)

    def test_a_noise_only_keeps_the_voice_back(self):
        self.go.touch()
        chat = subprocess.Popen(
            [GEMMA3N, "chat", "-m", NANO, "--temp", "0", "--mic", "-", *RAW, *ASK, "--speak-with",
             self.speaker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(self.environment()))
        tones = array.array("h", (int(1600 * (math.sin(i * 0.17) + math.sin(i * 0.29)))
                                  for i in range(2 * RATE))).tobytes()
        chat.stdin.write(silence(0.5) + HAT + silence(1) + tones)
        chat.stdin.flush()
        self.assertEqual(chat.stdout.readline().decode(), HAT_SAID + "\n")
        chat.stdin.write(silence(2))
        chat.stdin.flush()
        self.logged(f"said {HAT_SAID}")
        chat.stdin.close()
        out, err = chat.stdout.read().decode(), chat.stderr.read().decode()
        self.assertEqual(chat.wait(60), 0, err)
        self.assertEqual((out, err.count("heard ")), ("", 1), err)
        chat.stdout.close(), chat.stderr.close()

    def interrupted(self, *arguments):
        microphone = Microphone(self.place / f"mic-{self._testMethodName}")
        terminal = Terminal("chat", "-m", NANO, "--temp", 0, "--mic", microphone.path, *RAW, *ASK,
                            "--speak-with", self.speaker, *arguments, env=self.environment())
        microphone.start()
        self.addCleanup(microphone.close)
        terminal.until("listening")
        microphone.say(HAT)
        self.logged(f"said {HAT_SAID}", terminal)
        return terminal, microphone

    def test_who_speaks_interrupts(self):
        terminal, microphone = self.interrupted()
        microphone.say(silence(2) + BOOK)  # while it speaks
        terminal.until(BOOK_SAID)  # what was said meanwhile is heard, all of it
        self.go.touch()
        self.logged(f"said {BOOK_SAID}", terminal)
        self.logged("ended", terminal)
        lines = [line for line in self.log.read_text().splitlines() if line != "killed"]
        self.assertEqual(lines, [f"said {HAT_SAID}", f"said {BOOK_SAID}", "ended"])
        terminal.until("listening")
        terminal.send("/bye\r")
        self.assertEqual(terminal.wait(), 0)

    def test_nobody_interrupts_where_it_is_not_wanted(self):
        terminal, microphone = self.interrupted("--no-interrupt")
        microphone.said(silence(2) + BOOK)
        self.go.touch()
        self.logged("ended", terminal)
        terminal.until("listening")
        terminal.send("/bye\r")
        terminal.wait()
        self.assertNotIn(BOOK_SAID, terminal.seen)

    def test_programs_that_are_installed(self):
        programs = self.place / "bin"
        programs.mkdir(exist_ok=True)
        for name in ("espeak-ng", "piper", "aplay"):
            (programs / name).write_text(
                f'#!/bin/sh\necho "{name} $*" >> "$LOG"\n'
                f'while read -r line; do echo "{name} said $line" >> "$LOG"; echo "$line"; done\n')
            (programs / name).chmod(0o755)
        voice = self.place / "amy.onnx"
        voice.touch()
        path = {**self.environment(), "PATH": f"{programs}:/bin:/usr/bin"}
        if any((pathlib.Path(d) / "paplay").exists() for d in ("/bin", "/usr/bin")):
            (programs / "paplay").symlink_to(programs / "aplay")
        for arguments, expected in ((("--speak",), "espeak-ng "),
                                    (("--speak", "de"), "espeak-ng -v de")):
            code, _, err = call("chat", "-m", NANO, "--temp", 0, *arguments, env=path,
                                input=b"What is 7 plus 5?\n")
            self.assertEqual(code, 0, err)
            self.logged(expected)
            self.logged("espeak-ng said 12")
        self.refused(2, "amy.onnx.json", "chat", "-m", NANO, "--speak", voice, env=path)
        (self.place / "amy.onnx.json").write_text('{"audio": {"sample_rate": 22050}}')
        code, _, err = call("chat", "-m", NANO, "--temp", 0, "--speak", voice, env=path,
                            input=b"What is 7 plus 5?\n")
        self.assertEqual(code, 0, err)
        self.logged(f"piper --model {voice} --output_raw")
        self.logged("aplay said 12")  # which hears what piper gives
        self.refused(2, "expected the program espeak-ng, or a voice of piper's", "chat", "-m", NANO,
                     "--quiet", "--speak", env={"PATH": "/nonexistent"})

    def test_a_speaker_that_fails_is_told(self):
        code, out, err = call("chat", "-m", NANO, "--temp", 0, "--speak-with", "exit 3",
                              input=b"What is 7 plus 5?\nWhat is 2 plus 2?\n")
        self.assertEqual(code, 0, err)
        self.assertEqual(out.split(), ["12", "4"])
        self.assertEqual(err.count("speaking: exit 3 failed"), 2, err)


if __name__ == "__main__":
    unittest.main()
