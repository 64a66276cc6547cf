# SPDX-License-Identifier: Apache-2.0
"""Requests that are not what HTTP says they should be. Each test bears the name of a rule.

    server_hostile_test.py GEMMA3N
"""
import gzip
import json
import os
import pathlib
import re
import resource
import socket
import threading
import time
import unittest

from endpoints import ALL
from form import HEADERS, file, form
from program import Program
from service import MEASURED, WITHOUT_END, ServedTest, Service, user

GOOD = json.dumps({"messages": [user("What is 3 plus 4?")], "temperature": 0}).encode()
BODY_LIMIT = 64 << 20


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def post(*headers, body=b"", version=b"HTTP/1.1", host=b"Host: localhost"):
    lines = [b"POST /v1/chat/completions " + version, *([host] if host else []), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def get(path=b"/health", *headers, host=b"Host: localhost"):
    lines = [b"GET " + path + b" HTTP/1.1", *([host] if host else []), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(*chunks):
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


class Framing(ServedTest):
    ENVIRONMENT = MEASURED

    def tearDown(self):
        """Whatever came before, the next client is served."""
        self.assertEqual(self.service.chat(user("What is 3 plus 4?"))["choices"][0]["message"]
                         ["content"], "7")

    def refused(self, statuses, *pieces, **options):
        """One answer, of one of these statuses, in full, and the connection closes."""
        back = self.service.raw(*pieces, **options)
        self.assertNotIn(b"<reset>", back)
        self.assertEqual(len(re.findall(rb"HTTP/1\.1 \d", back)), 1, back)
        self.assertIn(int(back.split(b" ")[1]), statuses, back)
        head, body = back.split(b"\r\n\r\n", 1)
        self.assertIn(b"Connection: close", head)
        self.assertIn(b"Content-Length: %d" % len(body), head)
        self.assertEqual(sorted(json.loads(body)["error"]), ["code", "message", "param", "type"])

    def test_H01_length_and_coding(self):
        self.refused([400], post(b"Content-Length: 5", b"Transfer-Encoding: chunked",
                                 body=chunked(GOOD)))
        self.refused([400], post(b"Transfer-Encoding: chunked", b"Content-Length: 5",
                                 body=chunked(GOOD)))

    def test_H02_two_lengths(self):
        length = b"Content-Length: %d" % len(GOOD)
        self.refused([400], post(length, b"Content-Length: 5", body=GOOD))
        self.refused([400], post(length, length, body=GOOD))

    def test_H03_lengths_that_are_none(self):
        for length in (b"-1", b"+5", b"0x10", b"5 5", b"5,5", b"9" * 20, b"9" * 200, b"", b"5;"):
            self.refused([400], post(b"Content-Length: " + length, body=GOOD))

    def test_H04_sizes_of_chunks(self):
        for size in (b"-2", b"", b"1" * 17, b"5 x", b"+5", b"0x5", b"g"):
            self.refused([400], post(b"Transfer-Encoding: chunked",
                                     body=size + b"\r\nhello\r\n0\r\n\r\n"))
        self.refused([400], post(b"Transfer-Encoding: chunked", body=b"2\r\nhello\r\n0\r\n\r\n"))
        status, _, body = self.service.request("POST", "/v1/chat/completions",
                                               iter([GOOD[:7], GOOD[7:]]))  # a good one
        self.assertEqual((status, json.loads(body)["object"]), (200, "chat.completion"))

    def test_H05_other_codings(self):
        for coding in (b"xchunked", b"chunked, identity", b"identity", b"gzip, chunked", b"",
                       b"chunked\r\nTransfer-Encoding: chunked"):
            self.refused([400, 501], post(b"Transfer-Encoding: " + coding, body=chunked(GOOD)))
        self.refused([400], post(b"Transfer-Encoding: chunked", body=chunked(GOOD),
                                 version=b"HTTP/1.0"))

    def test_H06_a_body_that_grows_past_the_limit(self):
        """Of what comes the limit is held, in a text that doubles as it grows, and no more."""
        piece = chunked(b" " * (1 << 20))[:-5]
        with self.service.grows_at_most(5 * BODY_LIMIT // 2):
            self.refused([413], post(b"Transfer-Encoding: chunked"), *[piece] * 180)

    def test_H07_extensions_and_trailers(self):
        self.refused([400], post(b"Transfer-Encoding: chunked",
                                 body=b"5;" + b"x" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n"))
        self.refused([400], post(b"Transfer-Encoding: chunked",
                                 body=b"5\r\nhello\r\n0\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n"))

    def test_H08_large_headers(self):
        self.refused([431], get(b"/health", b"X: " + b"x" * (1 << 20)))
        self.refused([431], get(b"/health", *[b"X: y"] * 20000))
        self.refused([431], get(b"/health", *[b"X: y"] * 101))
        self.refused([414, 431], get(b"/" + b"x" * (1 << 20)))

    def test_H09_characters(self):
        for head in (b"GET /health HTTP/1.1\nHost: localhost\n\n",
                     b"GET /health HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
                     get(b"/health", b"X: a\0b"), get(b"/health", b"X: a\x01b"),
                     get(b"/health", b"X : y"), get(b"/health", b": y"), get(b"/health", b"X"),
                     get(b"/he alth"), get(b"/health\x7f"), get(b"/hea\0lth")):
            self.refused([400], head)
        folded = self.service.raw(get(b"/health", b"X: a\r\n b", b"Connection: close"))
        self.assertTrue(folded.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ")))

    def test_H10_escapes_stay_as_they_are(self):
        back = self.service.raw(get(b"/x%0d%0aSet-Cookie:%20a=b", b"Origin: http://localhost%0d%0aX: y",
                                    b"Connection: close"))
        self.assertNotIn(b"\nSet-Cookie", back)
        self.assertNotIn(b"\nX: y", back)

    def test_H11_hosts(self):
        self.refused([400], get(host=None))
        self.refused([400], get(b"/health", b"Host: localhost"))
        self.refused([400], get(host=b"Host:"))
        self.refused([400], get(host=b"Host: "))

    def test_H12_versions(self):
        for version in (b"9.9", b"1.2", b"2.0", b"0.9", b"1.1.1", b"11"):
            self.refused([400], b"GET /health HTTP/" + version + b"\r\nHost: localhost\r\n\r\n")
        for head in (b"GET /health\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health http/1.1\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))):
            self.refused([400], head)
        back = self.service.raw(post(b"Content-Length: %d" % len(GOOD), body=GOOD,
                                     version=b"HTTP/1.0"))
        self.assertTrue(back.startswith(b"HTTP/1.1 200 "))  # and it closed
        stream = GOOD[:-1] + b',"stream":true}'
        back = self.service.raw(post(b"Content-Length: %d" % len(stream), body=stream,
                                     version=b"HTTP/1.0"))
        self.assertNotIn(b"Transfer-Encoding", back)
        self.assertTrue(back.endswith(b"data: [DONE]\n\n"))

    def test_H13_methods_and_targets(self):
        for target in (b"http://localhost/health", b"*", b"localhost:80"):
            self.refused([400, 405], get(target))
        for method in (b"CONNECT", b"TRACE", b"BREW", b"DELETE", b"PUT", b"POST"):
            self.refused([400, 405], get().replace(b"GET", method))

    def test_H14_paths(self):
        for path in (b"/../etc/passwd", b"/v1/models/../../etc/passwd", b"/%2e%2e/etc/passwd",
                     b"/v1/models/%2e%2e%2f", b"/v1%2fmodels", b"//v1/models", b"/v1\\models",
                     b"/v1/models/%00", b"/v1/models/%c0%ae", b"/v1/models/%", b"/v1/models/%zz",
                     b"/v1/models/nano%2", b"/v1/models/nano/", b"/v1/models/", b"/health/",
                     b"/page/../../etc/passwd", b"/page/%2e%2e/%2e%2e/etc/passwd", b"/page//etc/passwd",
                     b"/v1/files/..%2f..%2fetc%2fpasswd", b"/v1beta/files/%2e%2e", b"/v1/responses/../x"):
            back = self.service.raw(get(path, b"Connection: close"))
            self.assertTrue(back.startswith(b"HTTP/1.1 404 "), (path, back))
            self.assertNotIn(b"root:", back)

    def test_H15_pipelined_requests(self):
        paths = [b"/health", b"/v1/models"] * 250
        large = [b"X: " + b"x" * 7000] * 2  # all requests together are 7 MB

        def ask():
            back = self.service.raw(*[get(path, *large) for path in paths[:-1]],
                                    get(paths[-1], b"Connection: close"))
            bodies = re.findall(rb'\r\n\r\n\{"(status|object)"', back)
            self.assertEqual(bodies, [b"status", b"object"] * 250)
        ask()
        with self.service.grows_at_most(2 << 20):
            ask()

    def test_H18_clients_that_stop_in_the_middle(self):
        descriptors = pathlib.Path(f"/proc/{self.service.process.pid}/fd")
        self.service.chat(user("Hello!"))
        before = len(os.listdir(descriptors))
        text = post(b"Content-Length: %d" % len(GOOD), body=GOOD)
        upload = form(("model", "nano"), file(bytes(300_000)))
        upload = (f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(upload)}\r\n"
                  f"Content-Type: {HEADERS['Content-Type']}\r\n\r\n").encode() + upload
        for sent in [text[:cut] for cut in range(0, len(text), 7)] + [
                upload[:cut] for cut in (*range(0, 600, 50), *range(1000, len(upload), 20_000))]:
            with socket.create_connection(("127.0.0.1", self.service.port)) as client:
                client.sendall(sent)
        deadline = time.monotonic() + 20
        while len(os.listdir(descriptors)) > before:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_H19_expectations(self):
        head = post(b"Expect: 100-continue", b"Content-Length: %d" % (BODY_LIMIT + 1))
        self.refused([413], head)
        self.refused([417], post(b"Expect: cake", b"Content-Length: 5", body=b"hello"))
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=20) as client:
            client.sendall(post(b"Expect: 100-continue", b"Content-Length: %d" % len(GOOD)))
            self.assertEqual(client.recv(4096), b"HTTP/1.1 100 Continue\r\n\r\n")
            client.sendall(GOOD)
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))

    def test_H20_an_error_that_comes_while_the_client_sends(self):
        for status, head in (
                (404, b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n"),
                (413, post(b"Content-Length: %d" % (BODY_LIMIT + 1)))):
            with socket.create_connection(("127.0.0.1", self.service.port), timeout=20) as client:
                client.sendall(head)
                for _ in range(20):
                    client.sendall(b" " * 1000000)  # a server that had closed would break this
                self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 %d " % status))

    def test_H21_compressed_bodies(self):
        self.refused([415], post(b"Content-Encoding: gzip", b"Content-Length: 5", body=b"hello"))
        bomb = gzip.compress(bytes(16 << 20))
        for path in (*(one.path for one in ALL), "/v1/audio/transcriptions", "/v1/files", "/upload/v1beta/files"):
            for coding in ("gzip", "deflate", "br", "gzip, identity", "x"):
                status, _, answer = self.service.request("POST", path, bomb, {"Content-Encoding": coding})
                self.assertEqual(status, 415, (path, coding, answer))

    def test_J06_a_form_of_curl_is_json(self):
        status, _, _ = self.service.request("POST", "/v1/chat/completions", GOOD,
                                            {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(status, 200)


class Answer(threading.Thread):
    """One that never ends, with a client that reads it until it is told to leave."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self.connection, self.events = service.events("/v1/chat/completions", {
            "messages": [user("x")], "temperature": 1, "seed": 5, "max_tokens": 90000,
            "logit_bias": WITHOUT_END})
        self.text = ""
        self.leaves = False
        self.start()

    def run(self):
        for event in self.events:
            self.text += json.loads(event)["choices"][0]["delta"].get("content", "")
            if self.leaves:
                break
        self.events.close()
        self.connection.close()

    def wait_for(self, length):
        until(lambda: len(self.text) >= length)

    def leave(self):
        self.leaves = True
        self.join()


class Crowd(Program):
    def test_H17_a_thousand_connections(self):
        """An answer that is under way all the time goes on, as it would alone."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
        with Service("--no-access-log", "--ctx", 100000, model=self.long_model()) as service:
            answer = Answer(service)
            answer.wait_for(1)
            before = len(answer.text)
            self.crowd(service)
            self.assertGreater(len(answer.text), before)
            answer.wait_for(len(answer.text) + 10)
            answer.leave()
            until(lambda: self.connections(service) == 1)
            alone = Answer(service)
            alone.wait_for(len(answer.text))
            alone.leave()
            self.assertEqual(alone.text[:len(answer.text)], answer.text)

    def connections(self, service):
        try:
            return service.metric("gemma3n_connections")
        except (ConnectionError, OSError):  # it is still full
            return None

    def crowd(self, service):
        held = []
        try:
            for _ in range(1000):
                held.append(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            answered = 0
            for client in held:
                try:
                    client.sendall(get())
                    answered += client.recv(4096).startswith(b"HTTP/1.1 200 ")
                except (ConnectionResetError, BrokenPipeError):
                    pass
            self.assertEqual(answered, 255)
        finally:
            for client in held:
                client.close()


if __name__ == "__main__":
    unittest.main()
