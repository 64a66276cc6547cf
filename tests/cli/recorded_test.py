# SPDX-License-Identifier: Apache-2.0
"""What official clients have sent, version by version, asked again without them: each request is answered with the
status and in the form that the client was content with.

    recorded_test.py GEMMA3N

The requests are in tests/clients/recorded; tests/clients/recorder.py wrote them down.
"""
import base64
import http.client
import json
import pathlib
import re
import sys
import tempfile
import unittest

from service import Service

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"
sys.path.insert(0, str(CLIENTS))
import recorder  # noqa: E402


class Recorded(unittest.TestCase):
    def replay(self, service, exchanges):
        named = {}  # then -> now

        def now(data):
            if not named:
                return data
            return re.sub(b"|".join(map(re.escape, named)), lambda found: named[found[0]], data)

        client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
        self.addCleanup(client.close)
        for place, one in enumerate(exchanges):
            path = now(one["path"].encode()).decode()
            where = (place, one["method"], path)
            body = now(base64.b64decode(one["body"]))
            client.putrequest(one["method"], path, skip_accept_encoding=True)
            for name, value in one["headers"]:
                client.putheader(name, value)
            if body or one["method"] in ("POST", "PUT", "PATCH"):
                client.putheader("Content-Length", str(len(body)))
            client.endheaders(body)
            answer = client.getresponse()
            data = answer.read()
            self.assertEqual((answer.status, answer.headers.get("content-type", "").split(";")[0]),
                             (one["status"], one["type"]), (where, data[:300]))
            self.assertEqual(recorder.shape_of(one["type"], data), one["shape"], where)
            headers = repr([[name, value] for name, value in answer.getheaders()]).encode()
            names = list(dict.fromkeys(recorder.NAMES.findall(headers + data)))
            self.assertEqual(len(names), len(one["names"]), (where, names, one["names"]))
            named.update(zip((name.encode() for name in one["names"]), names))

    def test_what_clients_have_sent(self):
        recordings = sorted((CLIENTS / "recorded").glob("*.jsonl"))
        self.assertTrue(recordings)
        for recording in recordings:
            started, *exchanges = map(json.loads, recording.read_text().splitlines())
            with self.subTest(client=recording.stem), tempfile.TemporaryDirectory() as place:
                self.assertGreater(len(exchanges), 5)
                arguments = list(started["arguments"])
                for text in started["keys"]:
                    keys = pathlib.Path(place) / "keys"
                    keys.write_text(text)
                    arguments += ["--api-key-file", keys]
                with Service(*arguments) as service:
                    self.replay(service, exchanges)


if __name__ == "__main__":
    unittest.main()
