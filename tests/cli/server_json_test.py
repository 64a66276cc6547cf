# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no JSON, or more of it than anybody needs: the same at every endpoint that takes JSON.

    server_json_test.py GEMMA3N
"""
import json
import re
import unittest

from endpoints import ALL, ANSWERING, CHAT, GENERATE, OLLAMA_CHAT, at, error_of, merged
from service import MEASURED, Service


class Bodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service("--no-access-log", env=MEASURED)

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def tearDown(self):
        """Whatever came before, the next one is served."""
        self.assertEqual(self.service.request("GET", "/health")[0], 200)

    def ask(self, one, body):
        """(status, answer); `body` as it is, or its JSON."""
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        text = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        status, _, answer = self.service.request("POST", one.path, text)
        return status, answer

    def refused(self, one, body, opening="", status=400):
        found, answer = self.ask(one, body)
        where = (one.path, str(body)[:200], answer[:300])
        self.assertEqual(found, status, where)
        message = error_of(json.loads(answer))  # which is JSON itself, and UTF-8
        self.assertTrue(message.startswith(opening), where)
        self.assertLess(len(message), 400, where)
        return message

    def taken(self, one, body):
        status, answer = self.ask(one, body)
        self.assertEqual(status, 200, (one.path, str(body)[:200], answer))
        if "stream" not in one.path:
            json.loads(answer)

    def few(self, one):
        """The least body, whose answer is short."""
        return merged(one.body, one.set(most=1)) if one in ANSWERING else one.body

    def test_hostile_J01_nesting(self):
        before = self.service.resident_bytes()
        for one in ALL:
            self.refused(one, "[" * 1_000_000, "body: it nests deeper than 64")
            self.refused(one, '{"a":' * 1_000_000, "body: it nests deeper than 64")
            good = json.dumps(self.few(one))[:-1]
            self.taken(one, good + ',"more":' + "[" * 63 + "]" * 63 + "}")
            self.refused(one, good + ',"more":' + "[" * 64 + "]" * 64 + "}", "body: it nests deeper than 64")
        self.assertLess(self.service.resident_bytes() - before, 64 << 20)

    def test_hostile_J02_keys(self):
        for one in ALL:
            good = json.dumps(self.few(one))[:-1]
            name = next(iter(one.body))
            self.refused(one, good + f',"{name}":null' + "}", f"body: the key '{name}' comes twice")
            self.refused(one, good + ',"more":[{"a":1,"b":{},"a":2}]}', "body: the key 'a' comes twice")
            self.refused(one, good + ',"a":1,"\\u0061":2}', "body: the key 'a' comes twice")
            self.taken(one, merged(self.few(one), {
                "__proto__": {"stream": True}, "constructor": 1, "a\0b": 2, "k" * (1 << 20): 3, "": 4}))

    def test_hostile_J03_numbers(self):
        for one in ALL:
            good = json.dumps(self.few(one))[:-1]
            for number in ("NaN", "Infinity", "-Infinity", "nan", "0x10", "+1", "01", ".5", "1.", "1e"):
                self.refused(one, good + f',"more":{number}' + "}", "body: expected JSON")
            for number in ("1e400", "-1e400", "1" * 30, "-" + "1" * 30, str(2**64), str(-2**63 - 1)):
                message = self.refused(one, good + f',"more":[0,{number}]' + "}", "more[1]: expected a")
                self.assertIn(", found " + number, message)
            self.taken(one, good + ',"more":[-0,-0.0,1e-400,1E308,18446744073709551615]}')
            if not one.number:
                continue
            for number in ("1e400", "1e300", "1e19", "9" * 30, str(2**64), str(2**64 - 1), str(-2**63 - 1),
                           "-1", "0.5", "-1e-300"):
                wrong = json.dumps(merged(self.few(one), at(one.number, "NUMBER"))).replace('"NUMBER"', number)
                self.refused(one, wrong, one.number + ": expected a")
            least = "10.0" if "seconds" in one.number else "1.0"
            self.taken(one, json.dumps(merged(self.few(one), at(one.number, "NUMBER"))).replace(
                '"NUMBER"', least))

    def test_hostile_J04_characters(self):
        for one in ALL:
            good = json.dumps(self.few(one)).encode()[:-1]
            for wrong in (b"\xff", b"a\x80", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xed\xa0\x80",
                          b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82",
                          b"\\ud800", b"\\udc00", b"\\ud800\\u0041", b"\\ud800x", b"\\u12", b"\\x41", b"\n", b"\0"):
                for more in (b',"more":"%s"}', b',"%s":1}', b',"more":["%s'):
                    self.refused(one, good + more % wrong, "body: expected JSON in UTF-8")
            text = (good + b"}").decode()
            for coding in ("utf-16", "utf-16-be", "utf-16-le", "utf-32"):
                self.refused(one, text.encode(coding), "body: expected JSON in UTF-8")
            self.refused(one, b"\xef\xbf\xbe" + good + b"}", "body: expected JSON")  # U+FFFE, a mark turned round
            self.refused(one, b"\xef\xbb\xbf" * 2 + good + b"}", "body: expected JSON")
            self.taken(one, b"\xef\xbb\xbf" + good + b',"more":"\\ud83d\\ude42 \xef\xbf\xbe \\u0000 \xf4\x8f\xbf\xbf"}')

    def test_hostile_J05_what_is_no_object(self):
        for one in ALL:
            good = json.dumps(self.few(one))
            for text in ("null", "[]", '"x"', "1", "true"):
                self.refused(one, text)
            for text in (good + good, good + "x", good[:-1] + ",}", "// x\n" + good, "/**/" + good, good + "#",
                         "{'model':1}", "{model:1}", good.replace(":", "=", 1), "[" + good, "}" + good):
                self.refused(one, text, "body: expected JSON")
            if one.path == "/v1/realtime/client_secrets":  # where everything may be left out
                self.taken(one, "")
            else:
                self.refused(one, "")
            for cut in range(1, len(good)):
                self.refused(one, good[:cut], "body: expected JSON")

    def test_hostile_J13_models(self):
        names = ("x", "../nano", "nano/../nano", "/etc/passwd", "n" * 10240, "\x1b[2J\x1b]0;x\x07", "a\0b", "a\r\nb",
                 "nano\u009b", "models/models/nano")
        for one in ALL:
            if not one.model:
                continue
            for name in names:
                message = self.refused(one, merged(one.body, {"model": name}), "model '", status=404)
                self.assertLess(len(message), 200)
                self.assertFalse(re.search("[\0-\x1f\x7f-\x9f]", message), message)
            for wrong in (1, True, [], {}):
                self.refused(one, merged(one.body, {"model": wrong}), "model: expected a string")
        for path in ("/v1/models/{}", "/v1beta/models/{}", "/v1beta/models/{}:generateContent",
                     "/v1/models/{}:embedContent"):
            for name in ("x", "%2e%2e%2fnano", "n" * 4096, "%1b%5b2J", "a%00b", "a%0d%0ab", "nano%C2%9B"):
                method = "POST" if ":" in path else "GET"
                status, headers, answer = self.service.request(method, path.format(name), "{}")
                self.assertEqual(status, 404, (path, name, answer))
                message = error_of(json.loads(answer))
                self.assertLess(len(message), 200)
                self.assertFalse(re.search("[\0-\x1f\x7f-\x9f]", message), message)

    def test_hostile_J15_fields_that_nobody_knows(self):
        for one in ALL:
            few = self.few(one)
            self.taken(one, {**few, **{f"unknown{i}": i for i in range(4096 - len(few))}})
            self.refused(one, {**few, **{f"unknown{i}": i for i in range(10000)}}, "body: an object has more than 4096")
            self.refused(one, {**few, "more": {str(i): 0 for i in range(4097)}}, "body: an object has more than 4096")
        for one in (CHAT, OLLAMA_CHAT, GENERATE):
            self.refused(one, json.dumps(one.body)[:-1] + ',"more":[' + "0," * (1 << 20) + "0]}",
                         "body: a list has more than 1048576")


if __name__ == "__main__":
    unittest.main()
