# SPDX-License-Identifier: Apache-2.0
"""Pictures, sound and film in requests of every dialect: what is fetched, which is nothing, and what is no data.

    server_media_test.py GEMMA3N
"""
import base64
import json
import socket
import unittest

from endpoints import CHAT, GENERATE, OLLAMA_CHAT, OLLAMA_GENERATE, RESPONSES, error_of
from service import NANO, ServedTest

PICTURE = (NANO / "eval" / "pictures-0069.png").read_bytes()
DATA = base64.b64encode(PICTURE).decode()


def user_of(endpoint, part):
    field = "messages" if endpoint is CHAT else "input"
    return {field: [{"role": "user", "content": [part]}]}


# How a medium is given by an address or as data: (endpoint, fields of a request for it, where it stands).
WAYS = (
    *((CHAT, lambda url, kind=kind: user_of(CHAT, {"type": kind, kind: {"url": url}}),
       f"messages[0].content[0].{kind}.url") for kind in ("image_url", "audio_url", "video_url")),
    (CHAT, lambda url: user_of(CHAT, {"type": "image_url", "image_url": url}), "messages[0].content[0].image_url"),
    (CHAT, lambda url: user_of(CHAT, {"type": "input_audio", "input_audio": {"data": url, "format": "wav"}}),
     "messages[0].content[0].input_audio.data"),
    (CHAT, lambda url: user_of(CHAT, {"type": "file", "file": {"file_data": url}}),
     "messages[0].content[0].file.file_data"),
    (RESPONSES, lambda url: user_of(RESPONSES, {"type": "input_image", "image_url": url}),
     "input[0].content[0].image_url"),
    (RESPONSES, lambda url: user_of(RESPONSES, {"type": "input_file", "file_data": url}),
     "input[0].content[0].file_data"),
    (OLLAMA_CHAT, lambda url: {"messages": [{"role": "user", "content": "x", "images": [url]}]},
     "messages[0].images[0]"),
    (OLLAMA_GENERATE, lambda url: {"images": [url]}, "images[0]"),
    (GENERATE, lambda url: {"contents": [{"parts": [{"inlineData": {"data": url}}]}]},
     "contents[0].parts[0].inlineData.data"))
# Addresses alone.
LINKS = (
    (CHAT, lambda url: user_of(CHAT, {"type": "file", "file": {"file_url": url}}),
     "messages[0].content[0].file.file_url"),
    (RESPONSES, lambda url: user_of(RESPONSES, {"type": "input_file", "file_url": url}),
     "input[0].content[0].file_url"),
    (GENERATE, lambda url: {"contents": [{"parts": [{"fileData": {"fileUri": url}}]}]},
     "contents[0].parts[0].fileData.fileUri"))


class Media(ServedTest):
    def refused(self, way, value):
        one, fields, place = way
        found, _, answer = self.service.post(one.path, one.with_(fields(value), one.set(most=1)))
        where = (one.path, place, value[:100], answer)
        self.assertEqual(found, 400, where)
        message = error_of(answer)
        self.assertLess(len(message), 400, where)
        self.assertIn(place, message, where)
        return message

    def test_hostile_A11_addresses_are_not_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            for way in (*WAYS, *LINKS):
                for url in (f"http://127.0.0.1:{port}/x", f"HTTP://localhost:{port}/x",
                            f"https://localhost:{port}/x.png"):
                    message = self.refused(way, url)
                    if url.startswith("http"):
                        self.assertRegex(message, "data:|file_data|base64|left here", way[2])
            other.settimeout(0.1)
            with self.assertRaises(TimeoutError):
                other.accept()

    def test_hostile_A11_A15_nothing_is_opened(self):
        for way in (*WAYS, *LINKS):
            for url in ("file:///etc/passwd", "/etc/passwd", "../../etc/passwd", "ftp://localhost/x", "gopher://x",
                        "blob:http://x", "//localhost/x", str(NANO / "eval" / "pictures-0069.png"), "http:", "\0"):
                self.assertNotIn("root:", self.refused(way, url))

    def test_hostile_A15_data_that_is_none(self):
        tail = DATA[-8:]
        for way in WAYS:
            google = way[0] is GENERATE  # whose base64 has either alphabet and may leave out its padding
            for payload in ("", "=", "====", "A", "A===", "AA=A", DATA + "A", DATA + "====",
                            *(DATA[:100] + odd + DATA[100:] for odd in ("=", " ", "\n", "\0", "%3D", "é")),
                            *(() if google else (DATA[:-1], DATA[:100] + "-_-_" + tail))):
                if not google:
                    self.refused(way, "data:image/png;base64," + payload)
                self.refused(way, payload)
            self.refused(way, "data:image/png;base64,data:image/png;base64," + DATA)
            for head in ("data:image/png,", "data:image/png;base32,", "data:;base64;x,", "data:image/png;base64",
                         "data:image/png;base64;charset=x,", "data", "image/png;base64,", "DATA:image/png;base64,"):
                self.refused(way, head + DATA)
            self.refused(way, "data:image/png," + "".join(f"%{byte:02x}" for byte in PICTURE))
            # Thousands of pictures that look like a film.
            self.refused(way, "data:video/jpeg;base64," + ",".join(["AAAA"] * 5000))
            self.refused(way, "data:video/jpeg;base64," + ",".join([DATA] * 200))

    def test_hostile_A15_data_that_is_large(self):
        """A picture's limit is known by its length, a body's before it has come."""
        large = base64.b64encode(PICTURE + bytes(33 << 20)).decode()
        for way in (WAYS[0], WAYS[8]):
            self.refused(way, "data:image/png;base64," + large)
        head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n"
        for path in {way[0].path for way in WAYS}:
            self.assertTrue(self.service.raw(head % path.encode()).startswith(b"HTTP/1.1 413 "), path)

    def test_hostile_A15_many(self):
        """Media are counted before they are decoded: the last of these is none."""
        uri = "data:image/png;base64," + DATA
        for one, fields in (
                (CHAT, {"messages": [{"role": "user", "content": [
                    *[{"type": "image_url", "image_url": uri}] * 64, {"type": "image_url", "image_url": "x"}]}]}),
                (RESPONSES, {"input": [{"role": "user", "content": [
                    *[{"type": "input_image", "image_url": uri}] * 64, {"type": "input_image", "image_url": "x"}]}]}),
                (OLLAMA_CHAT, {"messages": [{"role": "user", "images": [DATA] * 64 + ["x"]}]}),
                (OLLAMA_GENERATE, {"images": [DATA] * 64 + ["x"]}),
                (GENERATE, {"contents": [{"parts": [{"inlineData": {"data": DATA}}] * 65}]})):
            status, _, answer = self.service.post(one.path, one.with_(fields, one.set(most=1)))
            self.assertEqual(status, 400, (one.path, answer))
            self.assertRegex(error_of(answer), "64 (pictures|elements)")
        for one, fields in ((CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 513}]}),
                            (GENERATE, {"contents": [{"parts": [{"text": "x"}]}] * 513})):
            status, _, answer = self.service.post(one.path, one.with_(fields, one.set(most=1)))
            self.assertEqual(status, 400, (one.path, answer))
            self.assertIn("at most 512", error_of(answer))


if __name__ == "__main__":
    unittest.main()
