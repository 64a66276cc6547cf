# SPDX-License-Identifier: Apache-2.0
"""Pictures, sound and film in requests of every dialect: what is fetched, which is nothing, and what is no data.

    server_media_test.py GEMMA3N
"""
import base64
import json
import pathlib
import socket
import struct
import tempfile
import unittest
import zlib

from endpoints import CHAT, GENERATE, OLLAMA_CHAT, OLLAMA_GENERATE, RESPONSES, error_of
from program import environment
from service import MEASURED, NANO, ServedTest, Service, film, until, user

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

    def not_served(self, way, url):
        """What its dialect has for what is understood and not done: not that the medium were broken."""
        one, fields, place = way
        message = self.refused(way, url)
        answer = self.service.post(one.path, one.with_(fields(url), one.set(most=1)))[2]
        error = answer["error"]
        if one in (CHAT, RESPONSES):
            self.assertEqual((error["type"], error["code"], error["param"]),
                             ("invalid_request_error", "unsupported_value", place))
        elif one is GENERATE:
            self.assertEqual((error["code"], error["status"]), (400, "INVALID_ARGUMENT"))
        else:
            self.assertTrue(error.startswith("invalid request: "), error)
        self.assertRegex(message, "fetches nothing", way[2])
        self.assertRegex(message, "data:|file_data|left here", way[2])

    def test_hostile_A11_addresses_are_not_fetched(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            for way in (*WAYS, *LINKS):
                for url in (f"http://127.0.0.1:{port}/x", f"HTTP://localhost:{port}/x",
                            f"https://localhost:{port}/x.png", f"HttpS://localhost:{port}/x",
                            f"ftp://localhost:{port}/x", "file:///etc/passwd", "gopher://x"):
                    self.not_served(way, url)
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


def png(side, text):
    """Black, one bit a pixel: a few kilobytes of file, `side` squared of pixels."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) +
            chunk(b"tEXt", b"Comment\0" + text) +
            chunk(b"IDAT", zlib.compress(bytes((side // 8 + 1) * side))) + chunk(b"IEND", b""))


class Memory(unittest.TestCase):
    def test_pictures_of_a_request_take_the_memory_of_one(self):
        with Service("--ctx", 2048, env=MEASURED) as service:
            ask = {"messages": [user(*(picture_of(png(6000, b"%d" % i)) for i in range(12)))], "max_tokens": 1}
            self.assertEqual(service.post(CHAT.path, ask)[0], 200)  # 1.3 GB of pixels
            self.assertLess(service.peak_bytes(), 900 << 20)

    def test_what_media_take_is_bounded(self):
        with Service("--max-request-media-bytes", 2 * len(PICTURE)) as service:
            for count, status in ((2, 200), (3, 413)):
                pictures = [picture_of(PICTURE)] * count
                found, _, answer = service.post(CHAT.path, {"messages": [user(*pictures)], "max_tokens": 1})
                self.assertEqual(found, status, answer)
        with Service("--max-media-bytes", len(PICTURE) - 1) as service:
            found, _, answer = service.post(CHAT.path, {"messages": [user(picture_of(PICTURE))]})
            self.assertEqual((found, answer["error"]["code"]), (429, "server_busy"))

    def test_H18_a_client_that_leaves_while_its_film_is_decoded(self):
        with tempfile.TemporaryDirectory() as place:
            slow = pathlib.Path(place) / "slow"
            slow.write_text("#!/bin/sh\nexec sleep 600\n")
            slow.chmod(0o755)
            with Service(env=environment({"GEMMA3N_MEDIA": str(slow)})) as service:
                body = json.dumps({"messages": [user(film(NANO / "eval" / "film-0158.mp4"))]})
                clients = [service.connect() for _ in range(4)]
                for client in clients:
                    client.request("POST", CHAT.path, body)
                until(lambda: len(service.children()) == 2)  # two at one time
                for client in clients:
                    client.close()
                until(lambda: not service.children())
                self.assertEqual(service.post(CHAT.path, {
                    "messages": [user(picture_of(PICTURE))], "max_tokens": 1})[0], 200)


def picture_of(data):
    return {"type": "image_url", "image_url": {"url": "data:;base64," + base64.b64encode(data).decode()}}


if __name__ == "__main__":
    unittest.main()
