# SPDX-License-Identifier: Apache-2.0
"""Files that clients leave on the server: theirs alone, for a while, and never paths.

    server_files_test.py GEMMA3N
"""
import json
import pathlib
import tempfile
import unittest

from form import BOUNDARY, HEADERS, file, form
from program import environment
from service import Service


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        keys = pathlib.Path(cls.place.name) / "keys"
        keys.write_text("one\ntwo\n")
        cls.temporary = pathlib.Path(cls.place.name) / "tmp"
        cls.temporary.mkdir()
        cls.service = Service("--api-key-file", keys,
                              env=environment({"TMPDIR": str(cls.temporary)}))

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()
        cls.place.cleanup()

    def ask(self, method, path, body=None, key="one", **headers):
        status, _, answer = self.service.request(
            method, path, body, {"Authorization": f"Bearer {key}", **headers})
        return status, answer

    def leave(self, content, *fields, key="one", label="a.wav"):
        status, answer = self.ask("POST", "/v1/files",
                                  form(("purpose", "user_data"), *fields, file(content, label=label)),
                                  key, **HEADERS)
        self.assertEqual(status, 200, answer)
        return json.loads(answer)

    def test_a_file_is_kept_and_deleted(self):
        kept = self.leave(b"RIFF\r\n--", label="été.wav")
        self.assertRegex(kept["id"], "^file-[a-z0-9-]{1,35}$")
        self.assertEqual((kept["object"], kept["bytes"], kept["filename"], kept["purpose"], kept["status"]),
                         ("file", 8, "été.wav", "user_data", "processed"))
        self.assertEqual(kept["expires_at"] - kept["created_at"], 48 * 3600)
        path = "/v1/files/" + kept["id"]
        self.assertEqual(json.loads(self.ask("GET", path)[1]), kept)
        self.assertEqual(self.ask("GET", path + "/content"), (200, b"RIFF\r\n--"))
        listed = json.loads(self.ask("GET", "/v1/files")[1])
        self.assertIn(kept, listed["data"])
        self.assertEqual(json.loads(self.ask("DELETE", path)[1]),
                         {"id": kept["id"], "object": "file", "deleted": True})
        for method, gone in (("GET", path), ("GET", path + "/content"), ("DELETE", path)):
            self.assertEqual(self.ask(method, gone)[0], 404)
        short = self.leave(b"x", ("expires_after[anchor]", "created_at"), ("expires_after[seconds]", 3600))
        self.assertEqual(short["expires_at"] - short["created_at"], 3600)

    def test_hostile_A09_a_key_sees_its_own_files(self):
        path = "/v1/files/" + self.leave(b"secret")["id"]
        for method, wanted in (("GET", path), ("GET", path + "/content"), ("DELETE", path)):
            self.assertEqual(self.ask(method, wanted, key="two")[0], 404)
        self.assertEqual(json.loads(self.ask("GET", "/v1/files", key="two")[1])["data"], [])
        self.assertEqual(self.ask("GET", path + "/content"), (200, b"secret"))
        # In GenAI's dialect neither, nor as a part of what is asked.
        name = path.removeprefix("/v1/")
        for method in ("GET", "DELETE"):
            self.assertEqual(self.ask(method, "/v1beta/" + name, key="two")[0], 404)
        self.assertEqual(json.loads(self.ask("GET", "/v1beta/files", key="two")[1]), {})
        for wanted, body in (
                ("/v1/chat/completions", {"messages": [{"role": "user", "content": [
                    {"type": "file", "file": {"file_id": name.removeprefix("files/")}}]}]}),
                ("/v1/responses", {"input": [{"role": "user", "content": [
                    {"type": "input_image", "file_id": name.removeprefix("files/")}]}]}),
                ("/v1beta/models/nano:generateContent", {"contents": [{"parts": [
                    {"fileData": {"fileUri": name}}]}]})):
            self.assertEqual(self.ask("POST", wanted, json.dumps(body), key="two")[0], 404, wanted)
            self.assertEqual(self.ask("POST", wanted, json.dumps(body))[0], 400, wanted)  # it is no medium

    def test_the_list_comes_in_pages(self):
        ids = []
        for number, purpose in enumerate(("vision", "batch", "vision", "vision", "batch")):
            status, answer = self.ask("POST", "/v1/files",
                                      form(("purpose", purpose), file(b"x" * number)), "two", **HEADERS)
            self.assertEqual(status, 200, answer)
            ids.append(json.loads(answer)["id"])

        def page(query):
            status, answer = self.ask("GET", "/v1/files?" + query, key="two")
            self.assertEqual(status, 200, answer)
            found = json.loads(answer)
            listed = [one["id"] for one in found["data"]]
            self.assertEqual((found["object"], found["first_id"], found["last_id"]),
                             ("list", *((listed[0], listed[-1]) if listed else (None, None))))
            return listed, found["has_more"]

        try:
            self.assertEqual(page(""), (ids[::-1], False))
            self.assertEqual(page("order=asc&limit=2"), (ids[:2], True))
            self.assertEqual(page(f"order=asc&limit=2&after={ids[1]}"), (ids[2:4], True))
            self.assertEqual(page(f"order=asc&limit=2&after={ids[3]}"), (ids[4:], False))
            self.assertEqual(page(f"limit=1&after={ids[3]}"), ([ids[2]], True))
            self.assertEqual(page(f"after={ids[0]}"), ([], False))
            self.assertEqual(page("purpose=batch"), ([ids[4], ids[1]], False))
            self.assertEqual(page("purpose=vision&limit=2"), ([ids[3], ids[2]], True))
            self.assertEqual(page(f"purpose=vision&limit=2&after={ids[2]}"), ([ids[0]], False))
            self.assertEqual(page("purpose=evals"), ([], False))
            for name, value in (("limit", 0), ("limit", 10001), ("limit", "x"), ("limit", ""),
                                ("order", "up"), ("after", "file-none")):
                status, answer = self.ask("GET", f"/v1/files?{name}={value}", key="two")
                error = json.loads(answer)["error"]
                self.assertEqual((status, error["code"], error["param"]), (400, "invalid_value", name))
        finally:
            for one in ids:
                self.ask("DELETE", "/v1/files/" + one, key="two")

    def test_a_form_in_whichever_case(self):
        for kind in (f"Multipart/Form-Data; boundary={BOUNDARY}",
                     f"MULTIPART/FORM-DATA; BOUNDARY={BOUNDARY}"):
            status, answer = self.ask("POST", "/v1/files", form(("purpose", "vision"), file(b"x")),
                                      **{"Content-Type": kind})
            self.assertEqual(status, 200, answer)

    def test_nothing_has_a_name_on_disk(self):
        self.leave(b"x" * 100000)
        self.assertEqual(list(self.temporary.iterdir()), [])
        for wanted in ("..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "a%00b", "A"):
            self.assertEqual(self.ask("GET", "/v1/files/" + wanted)[0], 404)

    def test_no_room_is_not_asked_for_again(self):
        """Only the client can make some: one that asks again by itself would ask for nothing."""
        with Service("--max-files", 1) as small:
            body = form(("purpose", "user_data"), file(b"x"))
            kept = json.loads(small.request("POST", "/v1/files", body, HEADERS)[2])["id"]
            status, headers, answer = small.request("POST", "/v1/files", body, HEADERS)
            self.assertEqual((status, json.loads(answer)["error"]["code"]), (429, "no_room_left"))
            self.assertEqual((headers["x-should-retry"], headers["Retry-After"]), ("false", None))
            self.assertEqual(small.request("DELETE", "/v1/files/" + kept)[0], 200)
            self.assertEqual(small.request("POST", "/v1/files", body, HEADERS)[0], 200)

    def test_refusals(self):
        for code, *parts in (("missing_required_parameter", ("purpose", "user_data")),
                             ("missing_required_parameter", file(b"x")),
                             ("invalid_value", ("purpose", "x"), file(b"x")),
                             ("invalid_value", ("purpose", "vision"), file(b"x", label="../x"))):
            status, answer = self.ask("POST", "/v1/files", form(*parts), **HEADERS)
            self.assertEqual((status, json.loads(answer)["error"]["code"]), (400, code))

    def piece(self, url, data, command, offset=0, **headers):
        """What clients send behind the first request: without a key, the address is the permission."""
        status, _, answer = self.service.request("POST", url, data, {
            "X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset), **headers})
        return status, json.loads(answer)

    def start(self, key):
        status, headers, answer = self.service.request("POST", "/upload/v1beta/files", b"{}", {
            "X-Goog-Upload-Command": "start", "x-goog-api-key": key})
        return status, (headers["X-Goog-Upload-URL"] or "").removeprefix(self.service.url), answer, headers

    def test_an_upload_goes_on_by_its_address(self):
        url = self.start("two")[1]
        self.assertEqual(self.piece(url, b"half", "upload"), (200, {}))
        # A key that is given has to be right, and the owner's.
        for headers, status in (({"x-goog-api-key": "one"}, 404), ({"x-goog-api-key": "wrong"}, 401),
                                ({"Authorization": "Bearer wrong"}, 401)):
            self.assertEqual(self.piece(url, b"", "query", **headers)[0], status)
        self.assertEqual(self.piece(url + "&key=wrong", b"", "query")[0], 401)
        for unknown in ("/upload/v1beta/files?upload_id=x", "/upload/v1beta/files?upload_id="):
            self.assertEqual(self.piece(unknown, b"", "query")[0], 401)
        status, answer = self.piece(url, b"full", "upload, finalize", 4)
        self.assertEqual(status, 200, answer)
        name = "/v1beta/" + answer["file"]["name"]
        self.assertEqual([self.ask("GET", name, key=key)[0] for key in ("two", "one")], [200, 404])
        self.assertEqual(self.piece(url, b"", "query")[0], 401)  # it has ended
        self.assertEqual(self.service.request("GET", name)[0], 401)  # of a file it is none
        self.assertEqual(self.ask("DELETE", name, key="two")[0], 200)

    def test_uploads_of_one_key_leave_room_for_others(self):
        urls = [self.start("one")[1] for _ in range(64)]
        status, _, answer, headers = self.start("one")
        self.assertEqual((status, json.loads(answer)["error"]["status"]), (429, "RESOURCE_EXHAUSTED"))
        self.assertEqual((headers["x-should-retry"], headers["Retry-After"]), ("false", None))
        other = self.start("two")
        self.assertEqual(other[0], 200, other)
        for url in (*urls, other[1]):
            self.assertEqual(self.piece(url, b"", "cancel")[0], 200)
        status, url, _, _ = self.start("one")
        self.assertEqual((status, self.piece(url, b"", "cancel")[0]), (200, 200))


if __name__ == "__main__":
    unittest.main()
