# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses: whole and as events, kept for a while and gone on from.

    responses_test.py GEMMA3N
"""
import json
import pathlib
import tempfile
import unittest

from service import NANO, Service, WITHOUT_END, data_uri, user

EVAL = NANO / "eval"
PATH = "/v1/responses"
TOOL = {"type": "function", "name": "get_time", "strict": True, "parameters": {
    "type": "object", "properties": {"zone": {"enum": ["Oslo", "Rome"]}}, "required": ["zone"],
    "additionalProperties": False}}


def text_of(response):
    return "".join(part["text"] for item in response["output"] if item["type"] == "message"
                   for part in item["content"])


class Responses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def create(self, given, headers=None, **fields):
        status, _, response = self.service.post(PATH, {"input": given, "temperature": 0, **fields}, headers)
        self.assertEqual(status, 200, response)
        return response

    def refused(self, code, param, status=400, **body):
        found, _, answer = self.service.post(PATH, {"input": "Hello!", **body})
        error = answer.get("error") or {}
        self.assertEqual((found, error.get("code"), error.get("param")), (status, code, param), answer)

    def get(self, path, method="GET"):
        status, _, body = self.service.request(method, path)
        return status, json.loads(body)

    def events(self, given, **fields):
        """The events of a stream; that each is named as its type, and numbered, is checked."""
        body = json.dumps({"input": given, "temperature": 0, "stream": True, **fields})
        status, headers, text = self.service.request("POST", PATH, body)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/event-stream; charset=utf-8"), text)
        events = []
        for frame in text.decode().split("\n\n")[:-1]:
            name, data = frame.split("\n")
            event = json.loads(data.removeprefix("data: "))
            self.assertEqual(name, "event: " + event["type"])
            self.assertEqual(event["sequence_number"], len(events))
            events.append(event)
        return events

    def test_an_answer(self):
        response = self.create("What is 3 plus 4?")
        chat = self.service.chat(user("What is 3 plus 4?"))
        self.assertEqual(text_of(response), "7")
        self.assertEqual((response["object"], response["status"]), ("response", "completed"))
        self.assertEqual(response["usage"]["input_tokens"], chat["usage"]["prompt_tokens"])
        self.assertEqual(response["usage"]["output_tokens"], chat["usage"]["completion_tokens"])
        self.assertGreaterEqual(response["completed_at"], response["created_at"])
        for given in ([user("What is 3 plus 4?")],
                      [{"type": "message", "role": "user",
                        "content": [{"type": "input_text", "text": "What is 3 plus 4?"}]}]):
            self.assertEqual(text_of(self.create(given)), "7")
        brief = self.create("Hello!", instructions="Answer briefly.")
        self.assertEqual(brief["usage"]["input_tokens"], self.service.chat(
            {"role": "system", "content": "Answer briefly."}, user("Hello!"))["usage"]["prompt_tokens"])
        self.assertEqual(brief["instructions"], "Answer briefly.")

    def test_cut_by_length(self):
        response = self.create("Hello!", max_output_tokens=1)
        self.assertEqual((response["status"], response["incomplete_details"]),
                         ("incomplete", {"reason": "max_output_tokens"}))
        self.assertEqual(self.events("Hello!", max_output_tokens=1)[-1]["type"], "response.incomplete")

    def test_pictures_and_sound(self):
        seen = self.create([{"role": "user", "content": [
            {"type": "input_image", "image_url": data_uri(EVAL / "pictures-0069.png"), "detail": "auto"},
            {"type": "input_text", "text": "What shape is yellow?"}]}])
        self.assertEqual(text_of(seen), "triangle")
        heard = self.create([{"role": "user", "content": [
            {"type": "input_file", "file_data": data_uri(EVAL / "speech new voices-0001.flac")},
            {"type": "input_text", "text": "Transcribe the following speech segment."}]}])
        self.assertEqual(text_of(heard), "traz a taça preta")
        after = self.create("What shape is yellow?", previous_response_id=seen["id"])
        self.assertGreater(after["usage"]["input_tokens_details"]["cached_tokens"], 16)

    def test_events_of_a_text(self):
        events = self.events("Repeat: boat white Hugo", top_logprobs=1)
        kinds = [event["type"] for event in events]
        delta = "response.output_text.delta"
        self.assertEqual([kind for i, kind in enumerate(kinds) if kind != delta or kinds[i - 1] != delta], [
            "response.created", "response.in_progress", "response.output_item.added",
            "response.content_part.added", delta, "response.output_text.done",
            "response.content_part.done", "response.output_item.done", "response.completed"])
        self.assertGreater(kinds.count(delta), 3)
        text = "".join(event["delta"] for event in events if event["type"] == delta)
        ended = events[-1]["response"]
        self.assertEqual((text, text_of(ended)), ("boat white Hugo", "boat white Hugo"))
        tokens = ended["output"][0]["content"][0]["logprobs"]
        self.assertEqual(len(tokens), ended["usage"]["output_tokens"])
        self.assertEqual(events[-2]["item"], ended["output"][0])
        self.assertEqual(self.get(PATH + "/" + ended["id"]), (200, ended))

    def test_a_call_and_what_comes_of_it(self):
        fields = {"tools": [TOOL], "tool_choice": {"type": "function", "name": "get_time"}}
        response = self.create("Hello!", max_output_tokens=100, **fields)
        made = response["output"][0]
        self.assertEqual((made["type"], made["name"], made["status"]),
                         ("function_call", "get_time", "completed"))
        self.assertIn(json.loads(made["arguments"])["zone"], ("Oslo", "Rome"))
        events = self.events("Hello!", max_output_tokens=100, **fields)
        kinds = [event["type"] for event in events]
        delta = "response.function_call_arguments.delta"
        self.assertEqual([kind for i, kind in enumerate(kinds) if kind != delta or kinds[i - 1] != delta], [
            "response.created", "response.in_progress", "response.output_item.added", delta,
            "response.function_call_arguments.done", "response.output_item.done", "response.completed"])
        self.assertEqual(events[2]["item"]["arguments"], "")
        done = events[kinds.index("response.function_call_arguments.done")]
        self.assertEqual((done["arguments"], done["name"]), (made["arguments"], "get_time"))
        result = {"type": "function_call_output", "call_id": made["call_id"], "output": "8 o'clock"}
        # The whole conversation again, or what is new of it, or the call by its id: one prompt.
        whole = self.create([user("Hello!"), {key: made[key] for key in ("type", "call_id", "name",
                                                                        "arguments")}, result])
        new = self.create([result], previous_response_id=response["id"])
        by_id = self.create([user("Hello!"), {"type": "item_reference", "id": made["id"]}, result])
        self.assertEqual(whole["usage"]["input_tokens"], new["usage"]["input_tokens"])
        self.assertEqual(whole["usage"]["input_tokens"], by_id["usage"]["input_tokens"])
        self.assertEqual(text_of(whole), text_of(new))
        self.refused("invalid_value", "input[0].call_id", input=[result])  # S09

    def test_what_is_referred_to_counts_like_what_is_sent(self):
        item = {"type": "message", "id": "msg_a", **user("Repeat: boat " + "boat " * 100)}
        reference = {"type": "item_reference", "id": "msg_a"}
        with Service("--max-body-bytes", 2000) as service:
            found = [service.post(PATH, {"input": given, "max_output_tokens": 1})
                     for given in ([item], [reference], [reference] * 10)]
        self.assertEqual([status for status, _, _ in found], [200, 200, 413], found)
        self.assertEqual(found[2][2]["error"]["param"], "input")

    def test_a_conversation_goes_on(self):
        first = self.create("Repeat: boat white Hugo", instructions="Be brief.")
        second = self.create("Hello!", previous_response_id=first["id"])
        chat = self.service.chat(user("Repeat: boat white Hugo"),
                                 {"role": "assistant", "content": text_of(first)}, user("Hello!"))
        self.assertEqual(second["usage"]["input_tokens"], chat["usage"]["prompt_tokens"])
        self.assertEqual(text_of(second), chat["choices"][0]["message"]["content"])
        self.assertEqual(second["previous_response_id"], first["id"])

    def test_what_is_kept(self):
        response = self.create([user("Hello!"), {"role": "assistant", "content": "Yes?"}, user("x")])
        place = PATH + "/" + response["id"]
        self.assertEqual(self.get(place), (200, response))
        status, listed = self.get(place + "/input_items?order=asc&limit=2")
        self.assertEqual((status, listed["object"], listed["has_more"]), (200, "list", True))
        self.assertEqual([item["content"][0] for item in listed["data"]], [
            {"type": "input_text", "text": "Hello!"},
            {"type": "output_text", "text": "Yes?", "annotations": []}])
        rest = self.get(f"{place}/input_items?order=asc&after={listed['last_id']}")[1]
        self.assertEqual((len(rest["data"]), rest["has_more"]), (1, False))
        self.assertEqual(self.get(place + "/input_items")[1]["data"][0], rest["data"][0])
        for query in ("limit=0", "limit=101", "limit=x", "order=x", "after=x"):
            self.assertEqual(self.get(f"{place}/input_items?{query}")[0], 400, query)
        self.assertEqual(self.get(place + "/cancel", "POST")[0], 400)  # it has ended
        self.assertEqual(self.get(place, "DELETE"),
                         (200, {"id": response["id"], "object": "response", "deleted": True}))
        for path, method in ((place, "GET"), (place, "DELETE"), (place + "/input_items", "GET"),
                             (place + "/cancel", "POST")):
            status, answer = self.get(path, method)
            self.assertEqual((status, answer["error"]["code"]), (404, "not_found"), path)
        self.refused("previous_response_not_found", "previous_response_id",
                     previous_response_id=response["id"])
        self.assertEqual(self.get(PATH + "/" + self.create("x", store=False)["id"])[0], 404)

    def test_hostile_A09_keys_do_not_see_each_others(self):
        with tempfile.TemporaryDirectory() as place:
            keys = pathlib.Path(place) / "keys"
            keys.write_text("first\nsecond\n")
            with Service("--api-key-file", keys) as service:
                def ask(key, method, path, body=None):
                    status, _, text = service.request(method, path, body and json.dumps(body),
                                                      {"Authorization": "Bearer " + key})
                    return status, json.loads(text)
                _, response = ask("first", "POST", PATH, {"input": "Hello!"})
                place = PATH + "/" + response["id"]
                self.assertEqual(ask("second", "GET", place)[0], 404)
                self.assertEqual(ask("second", "DELETE", place)[0], 404)
                self.assertEqual(ask("second", "GET", place + "/input_items")[0], 404)
                self.assertEqual(ask("second", "POST", place + "/cancel")[0], 404)
                status, answer = ask("second", "POST", PATH, {"input": [
                    user("x"), {"type": "item_reference", "id": response["output"][0]["id"]}]})
                self.assertEqual((status, answer["error"]["param"]), (400, "input[1].id"))
                self.assertEqual(ask("second", "POST", PATH, {
                    "input": "x", "previous_response_id": response["id"]})[0], 400)
                self.assertEqual(ask("first", "GET", place)[0], 200)

    def test_fields_of_chats_are_none_of_these(self):
        status, headers, _ = self.service.post(PATH, {
            "input": "x", "max_output_tokens": 1, "max_tokens": 1, "n": 2, "logprobs": True, "seed": 1})
        self.assertEqual((status, headers["x-gemma3n-ignored"]), (200, "max_tokens,n,logprobs"))

    def test_cancelled_in_the_middle(self):
        connection, events = self.service.events(PATH, {
            "input": "Hello!", "max_output_tokens": 2000, "logit_bias": WITHOUT_END})
        try:
            name = json.loads(next(events))["response"]["id"]
            while "delta" not in json.loads(next(events)):
                pass
            status, cancelled = self.get(f"{PATH}/{name}/cancel", "POST")
            self.assertEqual((status, cancelled["status"]), (200, "cancelled"))
            last = json.loads(list(events)[-1])
        finally:
            connection.close()
        # OpenAI's clients know no other event for it, and read `incomplete_details` of this one.
        self.assertEqual((last["type"], last["response"]["status"]), ("response.incomplete", "cancelled"))
        self.assertEqual(last["response"]["incomplete_details"], {})

    def test_cancelled_while_it_waits(self):
        endless = {"input": "Hello!", "max_output_tokens": 2000, "logit_bias": WITHOUT_END}
        with Service("--sessions", 1, "--queue", 1) as service:
            first, answer = service.events(PATH, endless)
            try:
                while "delta" not in json.loads(next(answer)):
                    pass
                for _ in range(2):
                    waiting, events = service.events(PATH, {"input": "Hello!"})
                    name = json.loads(next(events))["response"]["id"]
                    self.assertEqual(service.post(PATH, {"input": "Hello!"})[0], 429)
                    status, _, cancelled = service.post(f"{PATH}/{name}/cancel", {})
                    self.assertEqual((status, cancelled["status"]), (200, "cancelled"))
                    last = json.loads(list(events)[-1])["response"]
                    waiting.close()
                    self.assertEqual((last["id"], last["status"]), (name, "cancelled"))
                    self.assertEqual(last["usage"]["output_tokens"], 0)
                    # It is kept as one that was cancelled, and its place is free for the next round.
                    kept = json.loads(service.request("GET", f"{PATH}/{name}")[2])
                    self.assertEqual(kept["status"], "cancelled")
                self.assertIn("delta", json.loads(next(answer)))  # nothing of it was a turn
            finally:
                first.close()

    def test_forms(self):
        schema = TOOL["parameters"]
        form = {"format": {"type": "json_schema", "name": "it", "schema": schema, "strict": True}}
        self.assertIn(json.loads(text_of(self.create("Hello!", text=form)))["zone"], ("Oslo", "Rome"))
        form["format"]["schema"] = {"type": "string", "pattern": "("}
        self.refused("invalid_json_schema", "text.format.schema.pattern", text=form)

    def test_truncation(self):
        long = [user(" a" * 700), {"role": "assistant", "content": "x"}] * 4 + [user("Hello!")]
        self.refused("context_length_exceeded", None, input=long)
        response = self.create(long, truncation="auto")
        self.assertLess(response["usage"]["input_tokens"], 2048)
        self.assertEqual(response["truncation"], "auto")

    def test_unsupported(self):
        for name, value, param in (
                ("background", True, "background"), ("conversation", "x", "conversation"),
                ("prompt", {"id": "x"}, "prompt"), ("tools", [{"type": "web_search"}], "tools[0].type"),
                ("input", [{"type": "computer_call"}], "input[0].type"),
                ("input", [{"role": "user", "content": [{"type": "input_file", "file_url": "x"}]}],
                 "input[0].content[0].file_url")):
            self.refused("unsupported_value", param, **{name: value})


if __name__ == "__main__":
    unittest.main()
