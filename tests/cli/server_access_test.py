# SPDX-License-Identifier: Apache-2.0
"""Who may ask: names, pages, keys; addresses, TLS, and a whole network.

    server_access_test.py GEMMA3N
"""
import collections
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

from endpoints import ALL
from form import HEADERS, file, form
from program import call
from service import NANO, Service, picture, user


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp())
        (cls.place / "keys").write_text("# ours\nsecret-one\n\nsecret-two\n")
        cls.open = Service("--host-name", "box.lan", "--allow-origin", "https://page.example")
        cls.locked = Service("--api-key-file", cls.place / "keys")

    @classmethod
    def tearDownClass(cls):
        cls.open.__exit__()
        cls.locked.__exit__()
        shutil.rmtree(cls.place)

    def status(self, headers, method="GET", path="/v1/models", body=None, service=None):
        return (service or self.open).request(method, path, body, headers)[0]

    def test_A01_A02_hosts(self):
        port = self.open.port
        for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", "a.localhost", "LOCALHOST",
                     "[::1]", f"[::1]:{port}", "127.1.2.3", "box.lan", f"Box.lan:{port}"):
            self.assertEqual(self.status({"Host": host}), 200, host)
        for host in ("evil.example", f"0.0.0.0:{port}", "[::]", "2130706433", "0177.0.0.1", "127.1",
                     "192.168.1.1", "localhost.evil.example", ".localhost", "127.0.0.1.evil.example"):
            self.assertEqual(self.status({"Host": host}), 403, host)
        # Before the body is read: it never comes.
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(head)
            self.assertIn(b" 403 ", client.recv(4096))

    def test_A03_A04_A05_origins(self):
        port = self.open.port
        ask = json.dumps({"messages": [user("Hello!")], "max_tokens": 1})
        json_type = {"Content-Type": "application/json"}
        for origin in (f"http://127.0.0.1:{port}", "https://page.example"):
            status, headers, _ = self.open.request(
                "POST", "/v1/chat/completions", ask, {"Origin": origin, **json_type})
            self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, origin))
            status, headers, _ = self.open.request("OPTIONS", "/v1/chat/completions", None,
                                                   {"Origin": origin})
            self.assertEqual(status, 204)
            allowed = headers["Access-Control-Allow-Headers"].split(", ")
            self.assertIn("authorization", allowed)
            self.assertIn("user-agent", allowed)  # which clients set in Firefox
            for other in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
                self.assertEqual(self.status({"Origin": origin, "Content-Type": other}, "POST",
                                             "/v1/chat/completions", ask), 415)
        for origin in ("https://evil.example", "null", "", f"http://127.0.0.1:{port + 1}",
                       f"https://127.0.0.1:{port}"):
            for method in ("GET", "POST", "OPTIONS"):
                status, headers, _ = self.open.request(
                    method, "/v1/chat/completions", ask, {"Origin": origin, **json_type})
                self.assertEqual(status, 403, origin)
                self.assertIsNone(headers["Access-Control-Allow-Origin"])
        self.assertEqual(self.open.metric("gemma3n_answers_total"), 2)

    def test_A03_A04_at_every_endpoint(self):
        uploads = ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/files", "/upload/v1beta/files")
        answers = self.open.metric("gemma3n_answers_total")
        for one in ALL:
            for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
                headers = {"Origin": "https://page.example", "Content-Type": kind}
                self.assertEqual(self.status(headers, "POST", one.path, json.dumps(one.body)), 415, one.path)
        for path in (*(one.path for one in ALL), *uploads):
            for origin in ("https://evil.example", "null"):
                headers = {"Origin": origin, "Content-Type": "application/json"}
                self.assertEqual(self.status(headers, "POST", path, "{}"), 403, path)
            self.assertEqual(self.status({"Host": "evil.example"}, "POST", path, "{}"), 403, path)
            time.sleep(0.1)  # ten a second are borne
            self.assertEqual(self.status({}, "POST", path, "{}", service=self.locked), 401, path)
        self.assertEqual(self.open.metric("gemma3n_answers_total"), answers)

    def test_A07_keys(self):
        for key in ("secret-one", "secret-two"):
            for scheme in ("Bearer", "bearer"):
                self.assertEqual(self.status({"Authorization": f"{scheme} {key}"},
                                             service=self.locked), 200)
        for given in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
                      {"Authorization": "Bearer secret-on"}, {"Authorization": "Basic secret-one"},
                      {"Authorization": "Bearer secret-onesecret-one"},
                      {"Authorization": "Bearer secret-one1"}):
            self.assertEqual(self.status(given, service=self.locked), 401)
            time.sleep(0.15)  # ten a second are borne
        for path in ("/v1/models", "/metrics", "/nowhere"):
            self.assertEqual(self.status({}, path=path, service=self.locked), 401, path)
        self.assertEqual(self.status({}, path="/health", service=self.locked), 200)
        time.sleep(1.1)
        began = time.monotonic()
        found = collections.Counter(self.guesses(10000))
        self.assertEqual(set(found), {401, 429})
        self.assertGreaterEqual(found[401], 10)
        self.assertLessEqual(found[401], 10 * (2 + time.monotonic() - began))
        time.sleep(1.1)
        self.assertEqual(self.status({"Authorization": "Bearer secret-one"}, service=self.locked), 200)

    def guesses(self, count):
        """What each of so many wrong keys gets, from clients that keep their connection."""
        client = http.client.HTTPConnection("127.0.0.1", self.locked.port, timeout=60)
        for i in range(count):
            client.request("GET", "/v1/models", headers={"Authorization": f"Bearer secret-{i:03}"})
            answer = client.getresponse()
            answer.read()
            yield answer.status
        client.close()

    def test_keys_where_clients_put_them(self):
        for headers, path in (({"x-goog-api-key": "secret-two"}, "/v1/models"),
                              ({}, "/v1/models?key=secret-two"),
                              ({}, "/v1/models?access_token=secret-two")):
            self.assertEqual(self.status(headers, path=path, service=self.locked), 200, path)

    def test_the_page_logs_in_for_a_cookie(self):
        time.sleep(1.1)
        def login(key, headers=()):
            return self.locked.request("POST", "/page/login", json.dumps({"key": key}), dict(headers))
        status, headers, body = login("secret-one")
        self.assertEqual((status, body), (204, b""))
        cookie, *attributes = headers["Set-Cookie"].split("; ")
        self.assertEqual(attributes, ["Path=/", "Max-Age=604800", "HttpOnly", "SameSite=Strict"])
        self.assertEqual(self.status({"Cookie": cookie}, service=self.locked), 200)
        self.assertEqual(login("secret-on")[0], 401)
        self.assertEqual(login("secret-one", {"Origin": "https://evil.example"})[0], 403)
        self.assertEqual(self.status({}, "POST", "/page/login", "[1]", service=self.locked), 400)
        status, headers, _ = self.locked.request("POST", "/page/logout", None, {"Cookie": cookie})
        self.assertEqual(status, 204)
        self.assertIn("gemma3n_session=; ", headers["Set-Cookie"])
        self.assertEqual(self.status({"Cookie": cookie}, service=self.locked), 401)

    def test_W01_upgrades_without_leave(self):
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        for path in ("/v1/realtime", "//ws/x"):
            self.assertEqual(self.status({"Origin": "https://evil.example", **upgrade}, path=path), 403)
            self.assertEqual(self.status({"Origin": "null", **upgrade}, path=path), 403)
            time.sleep(0.15)
            self.assertEqual(self.status(upgrade, path=path, service=self.locked), 401)
            protocols = {"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.secret-none"}
            self.assertEqual(self.status({**upgrade, **protocols}, path=path, service=self.locked), 401)

    def test_only_what_others_can_open_has_a_qr_code(self):
        self.assertEqual(self.status({}, path="/page/qr.svg"), 404)
        self.assertFalse(json.loads(self.open.request("GET", "/page/info")[2])["qr"])

    def test_A10_models_are_not_managed(self):
        before = sorted(NANO.rglob("*"))
        for method, path in (("POST", "/api/pull"), ("POST", "/api/copy"), ("DELETE", "/api/delete")):
            body = json.dumps({"model": "nano", "source": "nano", "destination": "x"})
            self.assertIn(self.status({}, method, path, body), (403, 404, 501), path)
            self.assertEqual(self.status({"Origin": "https://evil.example"}, method, path, body), 403)
        self.assertEqual(sorted(NANO.rglob("*")), before)

    def test_A09_the_cache_of_one_key_tells_another_nothing(self):
        time.sleep(1.1)
        with Service("--api-key-file", self.place / "keys", "--sessions", 1) as service:
            def cached(key):
                status, _, answer = service.post(
                    "/v1/chat/completions", {"messages": [user("What is 3 plus 4?")]},
                    {"Authorization": f"Bearer {key}"})
                self.assertEqual(status, 200)
                return answer["usage"]["prompt_tokens_details"]["cached_tokens"]
            self.assertEqual(cached("secret-one"), 0)
            self.assertGreater(cached("secret-one"), 0)
            self.assertEqual(cached("secret-two"), 0)
            self.assertGreater(cached("secret-one"), 0)  # though another has used the session

    def test_A06_other_addresses_need_a_key(self):
        code, _, err = call("serve", "-m", NANO, "--port", 0, "--host", "0.0.0.0")
        self.assertEqual(code, 2)
        self.assertIn("--api-key-file", err)
        self.assertEqual(err.count("\n"), 1)
        with Service("--host", "0.0.0.0", "--api-key-file", self.place / "keys") as service:
            key = {"Authorization": "Bearer secret-two"}
            for host, status in (("192.168.1.20", 200), ("evil.example", 403), ("0.0.0.0", 403)):
                self.assertEqual(self.status({"Host": host, **key}, service=service), status)

    def test_F09_wrong_places(self):
        for arguments, part in ((("--host", "example.org", "--port", 0), "expected an address"),
                                (("--port", self.open.port), f"process {self.open.process.pid} (gemma3n)"),
                                (("--alias", "x=y"), "the model that is served is nano"),
                                (("--api-key-file", "/nowhere"), "cannot be read")):
            code, _, err = call("serve", "-m", NANO, *arguments)
            self.assertEqual((code, err.count("\n")), (2, 1), err)
            self.assertIn(part, err)


class Secure(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp())

    def tearDown(self):
        shutil.rmtree(self.place)

    def secure(self, *arguments):
        return Service("--state-directory", self.place / "state", *arguments)

    def test_tls_with_a_certificate_of_its_own(self):
        with self.secure("--tls") as service:
            self.assertTrue(service.url.startswith("https://127.0.0.1:"))
            self.assertEqual(service.chat(user("What is 3 plus 4?"))["choices"][0]["message"]["content"],
                             "7")
            connection, events = service.events("/v1/chat/completions", {"messages": [user("Hello!")]})
            self.assertEqual(list(events)[-1], "[DONE]")
            connection.close()
            origin = {"Origin": service.url}
            self.assertEqual(service.request("GET", "/v1/models", None, origin)[0], 200)
            plain = {"Origin": service.url.replace("https", "http")}
            self.assertEqual(service.request("GET", "/v1/models", None, plain)[0], 403)
            with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b"This port speaks https", client.recv(4096))
            made = (self.place / "state" / "tls.pem").read_text()
            self.assertIn(service.fingerprint(), service.greeting)
        self.assertEqual(stat.S_IMODE((self.place / "state" / "tls.pem").stat().st_mode), 0o600)
        with self.secure("--tls"):
            self.assertEqual((self.place / "state" / "tls.pem").read_text(), made)
        with self.secure("--tls", "--host-name", "box.lan"):  # which it was not made for
            self.assertNotEqual((self.place / "state" / "tls.pem").read_text(), made)

    def test_tls_with_files(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", self.place / "key", "-out", self.place / "certificate"],
                       check=True, capture_output=True)
        files = ("--tls-cert", self.place / "certificate", "--tls-key", self.place / "key")
        with Service(*files, certificate=self.place / "certificate") as service:
            self.assertEqual(service.request("GET", "/health")[0], 200)
            self.assertNotIn("SHA-256", service.greeting)
        for arguments, part in (((*files[:2], "--tls-key", self.place / "none"), "tls-key: "),
                                ((*files[2:], "--tls-cert", self.place / "key"), "tls-cert: "),
                                (files[:2], "both or neither")):
            code, _, err = call("serve", "-m", NANO, "--port", 0, *arguments)
            self.assertEqual((code, err.count("\n")), (2, 1), err)
            self.assertIn(part, err)

    def test_lan(self):
        with self.secure("--lan", "--qr") as service:
            key = (self.place / "state" / "key").read_text().strip()
            self.assertEqual(stat.S_IMODE((self.place / "state" / "key").stat().st_mode), 0o600)
            self.assertRegex(key, "^[0-9a-f]{32}$")
            self.assertIn(f"Clients need this key: {key}\n", service.greeting)
            self.assertIn("\N{UPPER HALF BLOCK}", service.greeting)
            self.assertEqual(service.request("GET", "/v1/models")[0], 401)
            bearer = {"Authorization": f"Bearer {key}"}
            self.assertEqual(service.request("GET", "/v1/models", None, bearer)[0], 200)
            status, headers, _ = service.request("POST", "/page/login", json.dumps({"key": key}))
            self.assertEqual(status, 204)
            self.assertTrue(headers["Set-Cookie"].endswith("; Secure"))
            self.assertEqual(service.request("GET", "/page/qr.svg")[0], 401)  # the key is in it
            status, headers, body = service.request("GET", "/page/qr.svg", None, bearer)
            self.assertEqual((status, headers["Content-Type"]), (200, "image/svg+xml"))
            self.assertTrue(body.startswith(b"<svg "))
            if socket.has_dualstack_ipv6():
                with socket.create_connection(("::1", service.port), timeout=20) as client:
                    service.trust().wrap_socket(client, server_hostname="::1").close()
            for address in service.addresses():  # the certificate is for all of them
                with socket.create_connection((address, service.port), timeout=20) as client:
                    service.trust().wrap_socket(client, server_hostname=address).close()
            self.assertNotIn(key, service.log())
        with self.secure("--lan") as service:
            self.assertIn(key, service.greeting)  # the same one
            self.assertNotIn("\N{UPPER HALF BLOCK}", service.greeting)  # no terminal
        (self.place / "keys").write_text("mine\n")
        with self.secure("--lan", "--api-key-file", self.place / "keys") as service:
            self.assertNotIn(key, service.greeting)
            self.assertEqual(service.request("GET", "/v1/models", None,
                                             {"Authorization": "Bearer mine"})[0], 200)

    def test_A16_old_protocols(self):
        with self.secure("--tls") as service:
            context = service.trust()
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
            with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
                context.wrap_socket(client, server_hostname="localhost").close()


class Limits(unittest.TestCase):
    def test_they_are_shown(self):
        code, out, _ = call("serve", "--print-limits", "-m", "/nowhere", "--max-connections", 7)
        self.assertEqual(code, 0)
        lines = {line[:56].strip(): line[56:].split(maxsplit=2) for line in out.splitlines()}
        self.assertEqual(lines["connections"], ["7", "--max-connections"])
        self.assertEqual(lines["body"], ["64", "MiB", "--max-body-bytes"])
        self.assertEqual(lines["files that clients leave: all together"], ["2", "GiB", "--max-files-bytes"])
        self.assertEqual(lines["picture: pixels"], ["67108864", "--max-image-pixels"])
        options = [line.split()[-1] for line in out.splitlines() if "  --" in line]
        self.assertEqual(len(options), len(set(options)))
        help_text = call("serve", "--help")[1]
        for option in options:
            self.assertIn(f"  {option} ", help_text)

    def test_they_are_set(self):
        with Service("--max-body-bytes", "1KiB", "--max-header-fields", 5, "--max-line-bytes", 100,
                     "--idle-seconds", 0.2) as service:
            self.assertEqual(service.request("POST", "/v1/completions", b" " * 1025)[0], 413)
            self.assertEqual(service.request("GET", "/health", None, {f"X{i}": "x" for i in range(5)})[0],
                             431)
            self.assertEqual(service.request("GET", "/health", None, {"X": "x" * 100})[0], 431)
            self.assertEqual(service.request("GET", "/health?" + "x" * 100)[0], 414)
            begin = time.monotonic()
            self.assertEqual(service.raw(), b"")
            self.assertLess(time.monotonic() - begin, 10)
        picture_bytes = (NANO / "eval" / "pictures-0069.png").stat().st_size
        with Service("--max-upload-bytes", 2000, "--max-form-parts", 3, "--max-files-bytes", 1000,
                     "--file-seconds", 7200, "--max-image-bytes", picture_bytes - 1) as service:
            def leave(size, *fields):
                return service.request("POST", "/v1/files", form(
                    ("purpose", "vision"), *fields, file(b"x" * size)), HEADERS)
            self.assertEqual(leave(1800)[0], 413)  # of the whole form
            self.assertEqual(leave(1001)[0], 413)
            self.assertEqual(leave(600, ("a", 1), ("b", 2))[0], 413)
            status, _, kept = leave(600, ("a", 1))
            self.assertEqual(status, 200, kept)
            kept = json.loads(kept)
            self.assertEqual(kept["expires_at"] - kept["created_at"], 7200)
            self.assertEqual(leave(401)[0], 429)
            status, _, answer = service.post("/v1/chat/completions", {"messages": [
                user(picture(NANO / "eval" / "pictures-0069.png"), "What is this?")]})
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_image"))
        code, _, error = call("serve", "-m", NANO, "--websocket-ping-seconds", 60)
        self.assertEqual(code, 2)
        self.assertIn("--websocket-silent-seconds", error)
        for wrong in (0, -1, "x", 10001):
            self.assertEqual(call("serve", "-m", NANO, "--max-connections", wrong)[0], 2)


if __name__ == "__main__":
    unittest.main()
