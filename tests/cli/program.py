# SPDX-License-Identifier: Apache-2.0
"""The program under test and what the tests of it share: a model, calls, a terminal."""
import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import sample_media  # noqa: E402

GEMMA3N = sys.argv.pop(1)
WITHOUT_END = ("--logit-bias", "1=-inf,5=-inf")  # answers of the tiny model that never stop


def environment(extra=None):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GEMMA3N_") and k != "NO_COLOR"}
    return {**kept, "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", **(extra or {})}


def call(*arguments, **options):
    options.setdefault("input", b"")
    done = subprocess.run([GEMMA3N, *map(str, arguments)], capture_output=True,
                          env=environment(options.pop("env", None)), **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()


def start(*arguments, **options):
    """The program with pipes, once it catches SIGINT."""
    process = subprocess.Popen([GEMMA3N, *map(str, arguments)], stdin=subprocess.PIPE,
                               stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE,
                               env=environment(options.pop("env", None)), **options)
    status = pathlib.Path(f"/proc/{process.pid}/status")
    for _ in range(1000):
        caught = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
        if caught and int(caught[0].split()[1], 16) & 2:
            return process
        time.sleep(0.01)
    raise AssertionError("the program never caught SIGINT")


class Terminal:
    """The program on a pseudo terminal of its own, as a person sees it."""

    def __init__(self, *arguments, columns=80, term="xterm", env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [GEMMA3N, *map(str, arguments)], stdin=slave, stdout=slave, stderr=slave,
            preexec_fn=own_terminal, env=environment({"TERM": term, **(env or {})}))
        os.close(slave)
        self.seen = ""  # everything
        self.at = 0     # where the next search begins

    def send(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the program has left
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def until(self, text, seconds=60):
        """Reads on until `text` has come."""
        end = time.monotonic() + seconds
        while text not in self.seen[self.at:]:
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"expected {text!r}, found {self.seen[self.at:]!r}")
        self.at = self.seen.index(text, self.at) + len(text)

    def wait(self, seconds=60):
        """The exit code; what was written until then is in `seen`."""
        end = time.monotonic() + seconds
        while self._read(0.2) or self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"never left; found {self.seen[self.at:]!r}")
        os.close(self.master)
        return self.process.wait()


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp())
        cls.model = cls.place / "model"
        assert call("synth", "--like", "tiny", "--seed", 2, "--out", cls.model)[0] == 0
        sample_media.write_picture(cls.place / "p.png")
        sample_media.write_sound(cls.place / "s.wav")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)

    @classmethod
    def long_model(cls):
        """A model whose answers may grow for minutes."""
        directory = cls.place / "long"
        if not directory.exists():
            shutil.copytree(cls.model, directory)
            config = json.loads((directory / "config.json").read_text())
            config["text_config"]["max_position_embeddings"] = 1 << 20
            (directory / "config.json").write_text(json.dumps(config))
        return directory

    def answer(self, *arguments, **options):
        code, out, err = call("run", "-m", self.model, "--json", *arguments, **options)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def refused(self, code, part, *arguments, **options):
        found, _, err = call(*arguments, **options)
        self.assertEqual(found, code, err)
        self.assertIn(part, err)
        self.assertEqual(err.count("\n"), 1, err)  # one clear line

    def chat(self, *lines, arguments=(), **options):
        """(exit code, output, errors) of a chat that hears these lines."""
        return call("chat", "-m", self.model, "--max-tokens", 3, "--temp", 0, "--seed", 1, *arguments,
                    input="".join(line + "\n" for line in lines).encode(), **options)
