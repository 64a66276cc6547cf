# SPDX-License-Identifier: Apache-2.0
"""Who gets a place, what becomes of clients that leave and of a server that is told to.

    server_work_test.py GEMMA3N
"""
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from program import GEMMA3N, Program, call, environment
from service import NANO, WITHOUT_END, Service, until, user

# An answer of the long model that would take minutes.
ENDLESS = {"messages": [user("x")], "max_tokens": 90000, "logit_bias": WITHOUT_END}


def health(service):
    return json.loads(service.request("GET", "/health")[2])


class Places(Program):
    def service(self, *arguments):
        return Service("--ctx", 100000, *arguments, model=self.long_model())

    def test_H18_a_client_that_leaves_frees_its_place(self):
        with self.service("--sessions", 1, "--queue", 0) as service:
            connection, events = service.events("/v1/chat/completions", ENDLESS)
            next(events), next(events)
            body = {"messages": [user("x")], "max_tokens": 1}
            status, headers, answer = service.post("/v1/chat/completions", body)
            self.assertEqual((status, answer["error"]["code"]), (429, "server_busy"))
            self.assertEqual((headers["x-should-retry"], headers["Retry-After"]), ("true", "1"))
            connection.close()
            events.close()
            until(lambda: service.post("/v1/chat/completions", body)[0] == 200)
            self.assertEqual(service.metric("gemma3n_cancelled_total"), 1)
            self.assertEqual(service.metric("gemma3n_active_requests"), 0)

    def test_H18_clients_that_leave_while_it_is_read_or_waits(self):
        long_prompt = json.dumps({"messages": [user("x " * 45000)], "max_tokens": 1})
        with self.service("--sessions", 1, "--queue", 2) as service:
            reading = service.connect()
            reading.request("POST", "/v1/chat/completions", long_prompt)
            until(lambda: service.metric("gemma3n_active_requests") == 1)
            waiting = service.connect()
            waiting.request("POST", "/v1/chat/completions", json.dumps(ENDLESS))
            until(lambda: service.metric("gemma3n_waiting_requests") == 1)
            waiting.close()
            until(lambda: service.metric("gemma3n_waiting_requests") == 0)
            reading.close()
            until(lambda: service.metric("gemma3n_cancelled_total") == 2)
            self.assertEqual(service.metric("gemma3n_answer_tokens_total"), 0)

    def test_H18_F11_others_do_not_notice(self):
        quick = {"messages": [user("y")], "max_tokens": 300, "temperature": 1, "seed": 5,
                 "logit_bias": WITHOUT_END}
        with self.service("--sessions", 3) as service:
            alone = service.post("/v1/chat/completions", quick)[2]["choices"]
            left = [service.events("/v1/chat/completions", ENDLESS) for _ in range(2)]
            for _, events in left:
                next(events), next(events)
            connection, events = service.events("/v1/chat/completions", quick)
            text = ""
            for number, event in enumerate(events):
                if number == 20:
                    left[0][0].close()
                    left[0][1].close()
                if event != "[DONE]":
                    text += json.loads(event)["choices"][0]["delta"].get("content", "")
            connection.close()
            left[1][0].close()
            left[1][1].close()
            self.assertEqual(text, alone[0]["message"]["content"])

    def test_requests_wait_in_order(self):
        with self.service("--sessions", 1, "--queue", 3) as service:
            body = {"messages": [user("x")], "max_tokens": 20, "logit_bias": WITHOUT_END}
            clients = []
            first, events = service.events("/v1/chat/completions", ENDLESS)
            next(events)
            for place in range(3):
                clients.append(service.connect())
                clients[-1].request("POST", "/v1/chat/completions", json.dumps(body))
                until(lambda: service.metric("gemma3n_waiting_requests") == place + 1)
            first.close()
            events.close()
            waited = [json.load(client.getresponse())["timings"]["queue_ms"] for client in clients]
            self.assertGreater(min(waited), 0)
            for client in clients:
                client.close()

    def places(self, *arguments, key=None):
        """How many requests of one client wait before the next one is refused."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with self.service("--sessions", 1, "--queue", 4, *arguments) as service:
            def metric(name):
                for line in service.request("GET", "/metrics", None, headers)[2].decode().splitlines():
                    if line.startswith(name + " "):
                        return int(line.split()[1])
            clients = []
            for place in range(5):
                clients.append(service.connect())
                clients[-1].request("POST", "/v1/chat/completions", json.dumps(ENDLESS), headers)
                until(lambda: metric("gemma3n_active_requests") + metric("gemma3n_waiting_requests") == place + 1
                      or metric('gemma3n_requests_total{route="/v1/chat/completions",status="429"}'))
            waiting = metric("gemma3n_waiting_requests")
            for client in clients:
                client.close()
            return waiting

    def test_places_are_kept_where_clients_can_be_told_apart(self):
        keys = self.place / "keys"
        self.assertEqual(self.places(), 4)
        self.assertEqual(self.places("--host", "0.0.0.0", "--insecure-no-auth"), 3)
        keys.write_text("one\n")
        self.assertEqual(self.places("--api-key-file", keys, key="one"), 4)
        keys.write_text("one\ntwo\n")
        self.assertEqual(self.places("--api-key-file", keys, key="one"), 3)

    def test_time_of_an_answer(self):
        with self.service("--answer-seconds", 0.5) as service:
            answer = service.post("/v1/chat/completions", {**ENDLESS, "n": 2})[2]
            self.assertEqual([choice["finish_reason"] for choice in answer["choices"]],
                             ["length", "length"])
            self.assertGreater(len(answer["choices"][0]["message"]["content"]), 0)

    def test_H16_a_slow_reader_takes_nothing_from_others(self):
        with self.service("--sessions", 2) as service:
            slow = socket.create_connection(("127.0.0.1", service.port))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            text = json.dumps({**ENDLESS, "stream": True}).encode()
            slow.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(text) + text)
            until(lambda: service.metric("gemma3n_active_requests") == 1)
            for _ in range(5):
                self.assertEqual(service.post("/v1/chat/completions", {
                    "messages": [user("x")], "max_tokens": 20})[0], 200)
            slow.close()
            until(lambda: service.metric("gemma3n_active_requests") == 0)


    def test_H16_a_body_is_not_held_while_it_is_answered(self):
        padding = "x" * 100000  # what is kept of Responses counts
        prompt, endless = [user("x")], {"logit_bias": WITHOUT_END, "max_tokens": 90000}
        content = {"contents": [{"parts": [{"text": "x"}]}], "padding": padding}
        asks = [("/v1/chat/completions", {"messages": prompt, **endless, "padding": padding}),
                ("/v1/completions", {"prompt": "x", **endless, "padding": padding}),
                ("/v1/responses", {"input": prompt, "padding": padding}),
                ("/api/chat", {"model": "long", "messages": prompt, "padding": padding}),
                ("/v1beta/models/long:generateContent", content),
                ("/v1beta/models/long:streamGenerateContent", content),
                ("/v1/embeddings", {"input": "x", "padding": padding}),
                ("/api/embed", {"model": "long", "input": "x", "padding": padding}),
                ("/api/embeddings", {"model": "long", "prompt": "x", "padding": padding}),
                ("/v1beta/models/long:embedContent", {"content": content["contents"][0], "padding": padding})]
        with self.service("--sessions", 1, "--max-bodies-bytes", 150000) as service:
            first, events = service.events("/v1/chat/completions", ENDLESS)
            next(events)
            for place, (path, body) in enumerate(asks):  # each would leave no room for the next
                waiting = service.connect()
                waiting.request("POST", path, json.dumps(body))
                until(lambda: service.metric("gemma3n_waiting_requests") == 1)
                until(lambda: service.metric("gemma3n_body_bytes") < 1000)
                waiting.close()
                until(lambda: service.metric("gemma3n_waiting_requests") == 0)
            kept = service.connect()
            kept.request("POST", "/v1/responses", json.dumps({"input": [user("x", "y" * 5000)]}))
            until(lambda: service.metric("gemma3n_waiting_requests") == 1)
            until(lambda: service.metric("gemma3n_body_bytes") > 5000)
            kept.close()
            until(lambda: service.metric("gemma3n_body_bytes") < 1000)
            first.close()


class Endings(Program):
    def test_drain_ends_what_takes_too_long(self):  # F06
        with Service("--ctx", 100000, "--drain", 0.5, model=self.long_model()) as service:
            connection, events = service.events("/v1/chat/completions", ENDLESS)
            next(events), next(events)
            service.process.send_signal(signal.SIGTERM)
            events = list(events)
            self.assertEqual(events[-1], "[DONE]")
            self.assertEqual(json.loads(events[-2])["choices"][0]["finish_reason"], "length")
            connection.close()
            self.assertEqual(service.process.wait(20), 0)

    def test_drain_waits_for_answers(self):
        body = {**ENDLESS, "max_tokens": 2000}
        with Service("--ctx", 100000, model=self.long_model()) as service:
            idle = service.connect()
            idle.connect()
            connection, events = service.events("/v1/chat/completions", body)
            next(events), next(events)
            service.process.send_signal(signal.SIGTERM)
            until(lambda: health(service)["status"] == "draining")
            self.assertEqual(service.request("GET", "/health")[0], 503)
            refused = service.post("/v1/chat/completions", {"messages": [user("x")]})
            self.assertEqual((refused[0], refused[1]["Connection"]), (503, "close"))
            events = list(events)
            self.assertEqual(events[-1], "[DONE]")
            self.assertGreater(len(events), 1000)
            connection.close()
            self.assertEqual(service.process.wait(20), 0)
            idle.close()

    def test_a_second_interrupt_ends_at_once(self):
        with Service("--ctx", 100000, model=self.long_model()) as service:
            connection, events = service.events("/v1/chat/completions", ENDLESS)
            next(events)
            service.process.send_signal(signal.SIGINT)
            until(lambda: health(service)["status"] == "draining")
            service.process.send_signal(signal.SIGINT)
            self.assertEqual(service.process.wait(20), 130)
            connection.close()
            events.close()


class Watching(unittest.TestCase):
    def test_health_and_metrics(self):
        with Service() as service:
            version = call("--version")[1].strip()
            self.assertEqual(health(service), {"status": "ok", "version": version, "model": "nano",
                                               "queue": 0, "active": 0})
            service.chat(user("What is 3 plus 4?"))
            text = service.request("GET", "/metrics")[2].decode()
            self.assertIn('gemma3n_requests_total{route="/v1/chat/completions",status="200"} 1\n', text)
            for line in text.splitlines():
                self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|(gemma3n|process)_\w+(\{[^}]*\})? [\d.e+-]+)$')
            self.assertEqual(service.metric("gemma3n_prompt_tokens_total"), 17)
            resident = service.metric("process_resident_memory_bytes")
            self.assertLess(abs(resident - service.resident_bytes()), 64 << 20)
            service.request("POST", "/v1/chat/completions", "{")
            service.request("GET", "/nowhere?key=secret")
            service.request("GET", "/nowhere")
            service.raw(b"GET / HTTP/9.9\r\n\r\n")
            refused = [line for line in service.request("GET", "/metrics")[2].decode().splitlines()
                       if line.startswith("gemma3n_refused_total{")]
            self.assertEqual(refused, [f'gemma3n_refused_total{{reason="{reason}"}} {count}' for reason, count
                                       in (("bad_framing", 1), ("invalid_json", 1), ("not_found", 2))])
            head = service.request("HEAD", "/health")
            self.assertEqual((head[0], head[2]), (200, b""))

    def test_A08_H10_P11_the_log_holds_no_contents_and_no_keys(self):
        with Service() as service:
            service.chat(user("What is 3 plus 4?"))
            service.request("GET", "/v1/models?key=secret-one&access_token=secret-two")
            service.request("GET", "/nowhere?key=secret-three")
            for path in ("/metrics", "/v1/models/x?key=secret-four", "/nowhere?access_token=secret-four",
                         "/v1beta/models/x?key=secret-four"):
                self.assertNotIn(b"secret", service.request("GET", path)[2])
            service.raw(b"GET /a%0d%0ab\xc2\x9bc HTTP/1.1\r\nHost: localhost\r\nX: a%0d%0aY: b\r\n"
                        b"Connection: close\r\n\r\n")
            service.request("BREW" * 500, "/" + "long" * 1000)
            service.process.send_signal(signal.SIGTERM)
            self.assertEqual(service.process.wait(20), 0)
            log = service.log()
        self.assertLess(max(map(len, log.splitlines())), 300)
        lines = [line for line in log.splitlines() if "127.0.0.1" in line]
        self.assertEqual(len(lines), 9)
        # A line is written when its connection has taken the answer: those of several come in any order.
        chat = r"(?m)^[0-9a-f]{16} 127\.0\.0\.1 POST /v1/chat/completions 200 \d+ bytes "
        self.assertRegex("\n".join(lines), chat)
        self.assertTrue(any("GET /v1/models 200" in line for line in lines))
        self.assertTrue(any("GET /nowhere 404" in line for line in lines))
        self.assertTrue(any("/a%0d%0ab\\u009bc 404" in line for line in lines))
        self.assertNotIn("plus", log)
        self.assertNotIn("secret", log)

    def test_the_greeting_can_be_copied(self):
        with Service() as service:
            snippet = service.greeting.split("Try it:\n")[1].splitlines()[0]
            self.assertTrue(snippet.strip().startswith("curl http://127.0.0.1:"))
            body = snippet.split("-d '")[1].rsplit("'", 1)[0]
            status, _, answer = service.post("/v1/chat/completions", json.loads(body))
            self.assertEqual((status, answer["object"]), (200, "chat.completion"))

    def handed_over(self, address, *arguments, **options):
        """A server that is given a socket, and the socket."""
        listening = socket.create_server((address, 0))
        return listening, subprocess.Popen(
            ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{listening.fileno()}', "sh",
             GEMMA3N, "serve", "-m", str(NANO), "--port", "1", *map(str, arguments)],
            pass_fds=(listening.fileno(),), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def test_systemd(self):
        place = pathlib.Path(tempfile.mkdtemp())
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(str(place / "notify"))
        told.settimeout(20)
        env = environment({"NOTIFY_SOCKET": str(place / "notify")})
        for address, arguments in (("127.0.0.1", ()),
                                   ("0.0.0.0", ("--lan", "--state-directory", place / "state"))):
            listening, process = self.handed_over(address, *arguments, env=env)
            self.assertEqual(told.recv(100), b"READY=1")
            where = ("127.0.0.1", listening.getsockname()[1])
            if not arguments:
                connection = http.client.HTTPConnection(*where, timeout=20)
                connection.request("GET", "/health")
                self.assertEqual(connection.getresponse().status, 200)
                connection.close()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(told.recv(100), b"STOPPING=1")
            process.communicate(timeout=20)
            self.assertEqual(process.returncode, 0)
            with socket.create_connection(where):  # it waits for the next one
                listening.close()
        told.close()
        shutil.rmtree(place)

    def test_systemd_hands_over_what_was_not_asked_for(self):
        for arguments, option in ((("--host", "0.0.0.0", "--insecure-no-auth"), "host"), (("--lan",), "lan")):
            listening, process = self.handed_over("127.0.0.1", *arguments, env=environment())
            out, err = process.communicate(timeout=60)
            listening.close()
            self.assertEqual((process.returncode, err.count(b"\n")), (2, 1), err)
            self.assertIn(f"{option}: systemd hands over 127.0.0.1:".encode(), err)


if __name__ == "__main__":
    unittest.main()
