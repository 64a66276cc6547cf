# SPDX-License-Identifier: Apache-2.0
"""`gemma3n serve` under test: started on a free port, asked by Python's own client or raw bytes."""
import base64
import contextlib
import hashlib
import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from program import GEMMA3N, call, environment

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models" / "nano"
# What is freed counts as free under the address sanitizer, too.
MEASURED = environment({"ASAN_OPTIONS": "quarantine_size_mb=0"})
WITHOUT_END = {"1": -100, "5": -100, "7": -100}  # answers of the tiny model that never stop


def data_uri(path, kind="application/octet-stream"):
    return f"data:{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def user(*parts):
    """A user's message: text as it is, else parts."""
    return {"role": "user", "content": parts[0] if len(parts) == 1 and isinstance(parts[0], str)
            else [{"type": "text", "text": part} if isinstance(part, str) else part
                  for part in parts]}


def picture(path):
    return {"type": "image_url", "image_url": {"url": data_uri(path, "image/png")}}


def sound(path):
    return {"type": "input_audio",
            "input_audio": {"data": base64.b64encode(path.read_bytes()).decode(), "format": "wav"}}


def film(path):
    return {"type": "video_url", "video_url": {"url": data_uri(path, "video/mp4")}}


def run(*arguments, model=NANO):
    """What `gemma3n run --json` answers."""
    code, out, err = call("run", "-m", model, "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


class Service:
    """A server of its own. `with` ends it."""

    def __init__(self, *arguments, model=NANO, certificate=None, **options):
        options.setdefault("env", environment())
        self.errors = tempfile.TemporaryFile()  # a pipe that nobody reads would stop it
        self.process = subprocess.Popen(
            [GEMMA3N, "serve", "-m", str(model), "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=self.errors, **options)
        lines = []
        while not any(line.startswith("Ctrl-C") for line in lines):
            lines.append(self.process.stdout.readline().decode())
            assert lines[-1], self.log()
        self.greeting = "".join(lines)
        self.urls = re.findall(r"https?://[^/\s]+$|https?://[^/\s]+(?=/\n)", self.greeting, re.M)
        self.url = next(url for url in self.urls if "//127.0.0.1:" in url)
        self.port = int(self.url.rsplit(":", 1)[1])
        # What clients are told to trust.
        self.certificate = certificate or next(
            iter(re.findall(r" --cacert (\S+)", self.greeting)), None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def log(self):
        self.errors.seek(0)
        return self.errors.read().decode()

    def trust(self):
        return ssl.create_default_context(cafile=self.certificate)

    def fingerprint(self):
        der = ssl.PEM_cert_to_DER_cert(pathlib.Path(self.certificate).read_text())
        return hashlib.sha256(der).digest().hex(":").upper()

    def addresses(self):
        """Those by which it says it is reached."""
        return [url.split("//")[1].rsplit(":", 1)[0].strip("[]") for url in self.urls]

    def connect(self, timeout=60):
        if self.certificate:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                               context=self.trust())
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None):
        """(status, headers, body)"""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, path, body, headers=None):
        """(status, headers, JSON)"""
        status, found, text = self.request("POST", path, json.dumps(body), headers)
        return status, found, json.loads(text)

    def chat(self, *messages, **fields):
        """The answer, which must be good."""
        status, _, answer = self.post("/v1/chat/completions",
                                      {"messages": list(messages), "temperature": 0, **fields})
        assert status == 200, answer
        return answer

    def events(self, path, body):
        """A stream that is read while it comes: (connection, iterator of its data)."""
        connection = self.connect()
        connection.request("POST", path, json.dumps({**body, "stream": True}))
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"

        def data():
            for line in response:
                if line.startswith(b"data: "):
                    yield line[6:].strip().decode()
        return connection, data()

    def raw(self, *pieces, seconds=20):
        """What comes back until the server closes, as bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as client:
            for piece in pieces:
                try:
                    client.sendall(piece)
                except (BrokenPipeError, ConnectionResetError):
                    break
            back = b""
            while True:
                try:
                    piece = client.recv(65536)
                except ConnectionResetError:
                    return back + b"<reset>"
                if not piece:
                    return back
                back += piece

    def _memory(self, name):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(name + r":\s+(\d+)", status).group(1)) << 10

    def resident_bytes(self):
        return self._memory("VmRSS")

    @contextlib.contextmanager
    def grows_at_most(self, most):
        """Not even for a moment within this, by so many bytes."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # its peak is what it has now
        before = self.resident_bytes()
        yield
        grown = self._memory("VmHWM") - before
        assert grown <= most, f"expected to grow by at most {most >> 10} KiB, found {grown >> 10}"

    def peak_bytes(self):
        """The most memory that it has had."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def children(self):
        """The programs that it runs: their processes."""
        def parent(process):
            try:
                return int((process / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                return 0
        return [process for process in pathlib.Path("/proc").glob("[0-9]*")
                if parent(process) == self.process.pid]

    def metric(self, name):
        for line in self.request("GET", "/metrics")[2].decode().splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name}")


class ServedTest(unittest.TestCase):
    """Tests that ask one service of models/nano."""
    ENVIRONMENT = None

    @classmethod
    def setUpClass(cls):
        cls.service = Service("--no-access-log", env=cls.ENVIRONMENT or environment())

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()
