#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server under everything at once, for as long as one likes: text, pictures, sound and films, streamed and whole,
several choices, conversations that go on, transcriptions, the three interfaces and their sockets, clients that leave,
stall, send nonsense or half a request.

    bench/server_soak.py build/release/bin/gemma3n --minutes 30

Starts `gemma3n serve` with models/nano and its own clients, writes a line of figures every so often and fails where a
good request is not answered, an answer at temperature 0 is not what it was at the beginning, the server ends, or its
memory, threads or descriptors have grown. Linux; standard library only.
"""
import argparse
import base64
import collections
import http.client
import json
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "cli"))
from web_socket import Closed, WebSocket

NANO = HERE.parent / "models" / "nano"
EVAL = NANO / "eval"
WORDS = "river stone bird house green seven window paper music garden".split()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gemma3n")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--every", type=float, default=30, help="seconds between two lines of figures")
    parser.add_argument("--cache-mb", type=int, default=32)
    parser.add_argument("--media-cache-mb", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def uri(path):
    return "data:application/octet-stream;base64," + base64.b64encode(path.read_bytes()).decode()


def parts_of_media():
    parts = [{"type": "image_url", "image_url": {"url": uri(path)}} for path in sorted(EVAL.glob("pictures*.png"))]
    parts += [{"type": "input_audio", "input_audio": {"data": base64.b64encode(path.read_bytes()).decode(),
                                                      "format": "wav"}} for path in sorted(EVAL.glob("*.flac"))[:6]]
    return parts + [{"type": "video_url", "video_url": {"url": uri(path)}} for path in sorted(EVAL.glob("*.mp4"))[:2]]


class Soak:
    def __init__(self, args):
        self.args = args
        self.counts = collections.Counter()
        self.failures = []
        self.lock = threading.Lock()
        self.end = time.monotonic() + args.minutes * 60
        self.media = parts_of_media()
        self.expected = {}  # of requests at temperature 0: their answers
        self.process = subprocess.Popen(
            [args.gemma3n, "serve", "-m", str(NANO), "--port", "0", "--sessions", "4", "--queue", "64",
             "--cache-mb", str(args.cache_mb), "--media-cache-mb", str(args.media_cache_mb), "--no-access-log"],
            stdout=subprocess.PIPE)
        lines = []
        while not any(line.startswith("Ctrl-C") for line in lines):
            lines.append(self.process.stdout.readline().decode())
            if not lines[-1]:
                sys.exit("the server did not begin")
        self.port = int(re.search(r"http://127\.0\.0\.1:(\d+)", "".join(lines))[1])

    def failed(self, what):
        with self.lock:
            self.failures.append(what)
        print("FAILED:", what, flush=True)

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def post(self, body, path="/v1/chat/completions", headers=None):
        connection = self.connect()
        try:
            data = body if isinstance(body, bytes) else json.dumps(body)
            connection.request("POST", path, data, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def question(self, random):
        """A request that always has the same answer, by its key."""
        number = random.randrange(40)
        own = type(random)(number)
        text = " ".join(own.choice(WORDS) for _ in range(own.choice((3, 30, 300))))
        content = [{"type": "text", "text": text}]
        if number % 3 == 0:
            content.insert(0, self.media[number % len(self.media)])
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 40,
                "logprobs": True, "top_logprobs": 1}
        return number, body

    def check(self, number, text, logprobs):
        found = (text, tuple(one["logprob"] for one in logprobs))
        with self.lock:
            expected = self.expected.setdefault(number, found)
        if expected != found:
            self.failed(f"question {number}: expected {expected[0]!r}, found {found[0]!r}")

    def whole(self, random):
        number, body = self.question(random)
        status, answer = self.post(body)
        if status == 429:
            return self.count("busy")
        if status != 200:
            return self.failed(f"{status} {answer}")
        choice = answer["choices"][0]
        self.check(number, choice["message"]["content"], choice["logprobs"]["content"])
        self.count("answers")

    def stream(self, random, leaves=False):
        number, body = self.question(random)
        body["stream"] = True
        if leaves:
            body["logit_bias"], body["max_tokens"] = {"1": -100, "7": -100}, 400
        connection = self.connect()
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body))
            if leaves and random.random() < 0.3:
                time.sleep(random.random() * 0.05)
                return self.count("left before")
            response = connection.getresponse()
            if response.status == 429:
                response.read()
                return self.count("busy")
            if response.status != 200:
                return self.failed(f"{response.status} {response.read()[:200]}")
            text, logprobs, done, most = "", [], False, random.randrange(20)
            for line in response:
                if line.startswith(b"data: [DONE]"):
                    done = True
                if not line.startswith(b"data: {"):
                    continue
                if leaves and (most := most - 1) < 0:
                    return self.count("left in the middle")
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
                    logprobs += (choice.get("logprobs") or {}).get("content") or []
            if not done:
                return self.failed(f"a stream without an end: {text!r}")
            if not leaves:
                self.check(number, text, logprobs)
            self.count("streams")
        finally:
            connection.close()

    def leave(self, random):
        self.stream(random, leaves=True)

    def choices(self, random):
        status, answer = self.post({"messages": [{"role": "user", "content": "Repeat: " + random.choice(WORDS)}],
                                    "n": random.randrange(2, 5), "seed": random.randrange(100), "max_tokens": 20})
        if status not in (200, 429):
            self.failed(f"{status} {answer}")
        self.count("choices")

    def talk(self, random):
        messages = []
        for turn in range(4):
            messages.append({"role": "user", "content": " ".join(random.choice(WORDS) for _ in range(40))})
            status, answer = self.post({"messages": messages, "max_tokens": 20, "temperature": 0})
            if status == 429:
                return self.count("busy")
            if status != 200:
                return self.failed(f"{status} {answer}")
            messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"] or "-"})
        self.count("conversations")

    def ollama(self, random):
        self.lines("/api/chat", {"model": "nano", "messages": [{"role": "user", "content": random.choice(WORDS)}],
                                 "options": {"temperature": 0, "num_predict": 30}}, b'"done":true', random)

    def genai(self, random):
        self.lines("/v1beta/models/nano:streamGenerateContent?alt=sse",
                   {"contents": [{"role": "user", "parts": [{"text": random.choice(WORDS)}]}],
                    "generationConfig": {"maxOutputTokens": 30}}, b'"finishReason"', random)

    def lines(self, path, body, end, random):
        """A stream that is read to its end, or left on the way."""
        most = random.choice((1, 1000))
        connection = self.connect()
        try:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            if response.status == 429:
                return self.count("busy")
            if response.status != 200:
                return self.failed(f"{path}: {response.status} {response.read()[:200]}")
            last = b""
            for line in response:
                last = line.strip() or last
                if (most := most - 1) < 0:
                    return self.count("left in the middle")
            if end not in last:
                return self.failed(f"{path}: a stream without an end: {last!r}")
            self.count(path.split("?")[0])
        finally:
            connection.close()

    def transcribe(self, random):
        sound = random.choice(sorted(EVAL.glob("*.flac"))).read_bytes()
        body = (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nnano\r\n'
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n' + sound +
                b"\r\n--b--\r\n")
        status, answer = self.post(body, "/v1/audio/transcriptions",
                                   {"Content-Type": "multipart/form-data; boundary=b"})
        if status not in (200, 429):
            return self.failed(f"transcription: {status} {answer}")
        self.count("transcriptions")

    def realtime(self, random):
        """A socket: a question, sound without end, or nonsense; some are closed, some vanish."""
        try:
            talk = WebSocket(self.port, "/v1/realtime?model=nano", seconds=120)
        except Closed as closed:
            return self.count("busy") if closed.code in (429, 503) else self.failed(f"socket: {closed}")
        with talk:
            ends = random.choice(("answer", "sound", "nonsense"))
            if ends == "sound":
                for _ in range(20):
                    talk.send({"type": "input_audio_buffer.append",
                               "audio": base64.b64encode(random.randbytes(4800)).decode()})
            elif ends == "nonsense":
                talk.send_frame(random.randrange(16), random.randbytes(random.randrange(100)))
            else:
                talk.send({"type": "conversation.item.create", "item": {
                    "type": "message", "role": "user",
                    "content": [{"type": "input_text", "text": random.choice(WORDS)}]}})
                talk.send({"type": "response.create", "response": {"max_output_tokens": 20}})
                while (event := talk.receive())["type"] != "response.done":
                    if event["type"] == "error":
                        return self.failed(f"socket: {event}")
        self.count("socket: " + ends)

    def raw(self, data, reset=False, wait=0.2):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            try:
                client.sendall(data)
                client.settimeout(wait)
                client.recv(4096)
            except OSError:
                pass
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.count("broken")

    def hostile(self, random):
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n".encode()
        bad = [random.randbytes(random.randrange(400)), b"GET / HTTP/1.1\r\n", head + b"Content-Length: 99999\r\n\r\n{",
               head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", head + b"Content-Length: -1\r\n\r\n",
               head + b"Content-Length: 200000\r\n\r\n" + b"[" * 200000, b"\x16\x03\x01" + random.randbytes(60),
               head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"]
        self.raw(random.choice(bad), reset=random.random() < 0.5)

    def refused(self, random):
        part = random.choice(self.media)
        broken = json.loads(json.dumps(part))
        holder = broken[broken["type"]]
        key = "data" if "data" in holder else "url"
        at = random.randrange(60, len(holder[key]))
        if random.random() < 0.5:
            holder[key] = holder[key][:at]  # torn
        else:
            holder[key] = holder[key][:at] + "AAAA" + holder[key][at + 4:]
        body = random.choice((
            {"messages": [{"role": "user", "content": [broken, {"type": "text", "text": "What?"}]}], "max_tokens": 5},
            {"messages": [{"role": "user", "content": "x " * 5000}]}, {"messages": []}, {"messages": 5}, [1, 2],
            {"messages": [{"role": "user", "content": "x"}], "temperature": 1e9}))
        status, answer = self.post(body)
        if status == 500 or status == 503:
            self.failed(f"{status} {answer}")
        self.count(f"status {status} for what is broken")

    def work(self, place):
        own = random.Random(f"{self.args.seed} {place}")
        kinds = (self.whole, self.whole, self.stream, self.stream, self.leave, self.leave, self.choices, self.talk,
                 self.ollama, self.genai, self.transcribe, self.realtime, self.hostile, self.refused)
        while time.monotonic() < self.end:
            kind = own.choice(kinds)
            try:
                kind(own)
            except Exception as error:
                if self.process.poll() is not None:
                    return
                self.failed(f"{kind.__name__}: {error!r}")

    def figures(self):
        status = dict(line.split(":", 1) for line in open(f"/proc/{self.process.pid}/status"))
        return {"rss_mb": int(status["VmRSS"].split()[0]) / 1024,
                "anonymous_mb": int(status["RssAnon"].split()[0]) / 1024, "threads": int(status["Threads"]),
                "descriptors": len(os.listdir(f"/proc/{self.process.pid}/fd"))}

    def metrics(self):
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}

    def idle(self):
        """When nothing is under way any more; what then is still held."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.metrics()
            if found["gemma3n_active_requests"] == found["gemma3n_waiting_requests"] == 0 and \
                    found["gemma3n_connections"] <= 1:
                return found
            time.sleep(0.5)
        self.failed(f"requests or connections stay: {found}")
        return found

    def run(self):
        begin = time.monotonic()
        at_rest = self.figures()
        threads = [threading.Thread(target=self.work, args=(place,)) for place in range(self.args.clients)]
        for thread in threads:
            thread.start()
        seen = []
        while time.monotonic() < self.end and self.process.poll() is None:
            time.sleep(min(self.args.every, max(0.1, self.end - time.monotonic())))
            if self.process.poll() is None:
                seen.append(self.figures())
                figures = (f"{name} {value:.0f}" for name, value in seen[-1].items())
                print(f"{time.monotonic() - begin:6.0f} s", *figures, dict(self.counts), flush=True)
        for thread in threads:
            thread.join()
        if self.process.poll() is not None:
            sys.exit(f"the server ended with {self.process.returncode}")
        left = self.idle()
        for _ in range(50):  # the connection that has asked for figures is gone a moment later
            end = self.figures()
            if end["descriptors"] <= at_rest["descriptors"] and end["threads"] <= at_rest["threads"]:
                break
            time.sleep(0.1)
        print("at rest:", at_rest, "->", end)
        print("kept:", {name: value for name, value in left.items() if "cache" in name or "cancelled" in name})
        # The first third fills caches and the allocator's own.
        third = len(seen) // 3
        early = max(one["anonymous_mb"] for one in seen[third:2 * third] or seen)
        late = max(one["anonymous_mb"] for one in seen[2 * third:])
        print(f"anonymous memory, most: second third {early:.0f} MB, last third {late:.0f} MB")
        if third > 2 and late > early * 1.1 + 16:
            self.failed("memory has grown")
        if end["descriptors"] > at_rest["descriptors"] or end["threads"] > at_rest["threads"]:
            self.failed("descriptors or threads stay")
        self.process.terminate()
        if self.process.wait(60) != 0:
            self.failed(f"the server ended with {self.process.returncode}")
        print("no failure" if not self.failures else f"{len(self.failures)} failures", dict(self.counts))
        return 1 if self.failures else 0


if __name__ == "__main__":
    sys.exit(Soak(parse()).run())
