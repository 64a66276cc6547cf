# SPDX-License-Identifier: Apache-2.0
"""Each field of each of OpenAI's endpoints: of the wrong type it is refused by its own name (J06), at
the ends of its range it works, and beyond them it does not (J07).

    openai_fields_test.py GEMMA3N
"""
import json
import unittest

from fields import HOLE, HUGE, NO_OBJECT, NO_TEXT, filled, flag, integer, items, mapping, number, text
from service import NANO, Service, data_uri, user

CONFIG = json.loads((NANO / "config.json").read_text())["text_config"]
VOCABULARY, CONTEXT, WIDTH = (CONFIG[name] for name in ("vocab_size", "max_position_embeddings", "hidden_size"))


SAMPLING = {
    "model": text("nano"), "stream": {"wrong": (1, "true", [], {}), "right": (False, None)},
    "temperature": number(0, 2), "top_p": number(0, 1), "top_k": integer(0, VOCABULARY, VOCABULARY),
    "min_p": number(0, 1), "user": text("me"), "num_ctx": integer(1, 2**31 - 1, CONTEXT),
    "typical_p": number(0, 1), "repeat_penalty": {"wrong": ("1", True, [], {}, -1, 0, 9.9e-4, 1e-300, 100.1),
                                                  "right": (1e-3, 100, None)},
}
OF_BOTH = {
    **SAMPLING, "n": integer(1, 128, 8), "seed": {"wrong": ("1", True, [], {}, 0.5, 2**63, 2**64 - 1),
                                                  "right": (-2**63, 0, 1.0, HUGE, None)},
    "presence_penalty": number(-2, 2), "frequency_penalty": number(-2, 2),
    "logit_bias": mapping(), "stop": {"wrong": (1, True, {}, ""), "right": ("x", [], ["x"] * 16, None)},
    "cache_prompt": flag(), "stream_options": {"wrong": (1, "x", [], {"include_usage": True}),
                                               "right": (None,)},
}
ENDPOINTS = {
    "/v1/chat/completions": ({"messages": [user("Hello!")], "max_completion_tokens": 1}, {
        **OF_BOTH, "messages": {"wrong": (1, True, "x", {}, []), "right": ()},
        "max_tokens": integer(1, HUGE, HUGE), "max_completion_tokens": integer(1, HUGE, 1),
        "logprobs": flag(), "tools": items(), "functions": items(), "modalities": items(),
        "tool_choice": {"wrong": (1, True, [], "x", "required"), "right": ("auto", "none", None)},
        "function_call": {"wrong": (1, True, [], "x"), "right": ("auto", "none", None)},
        "parallel_tool_calls": flag(), "prediction": mapping(), "store": flag(),
        "response_format": {"wrong": (1, True, "x", []), "right": ({"type": "text"}, None)},
        "metadata": {"wrong": (1, True, "x", [], {str(i): "x" for i in range(17)}),
                     "right": ({}, {"a": "b"}, None)},
        "reasoning_effort": text("none", "high"), "verbosity": text("low"),
        "safety_identifier": text("x"), "service_tier": text("auto"), "prompt_cache_key": text("x"),
        "prompt_cache_retention": text("24h"), "prompt_cache_options": mapping()}),
    "/v1/completions": ({"prompt": "Hello", "max_tokens": 1}, {
        **OF_BOTH, "prompt": {"wrong": (1, True, {}, []), "right": ("x", ["x", "y"], [2], [[2], [2]])},
        "max_tokens": integer(0, HUGE, 1), "logprobs": integer(0, 5, 5),
        "best_of": integer(1, 20, 8), "echo": flag(),
        "suffix": {"wrong": (1, True, [], {}), "right": ("", None)}}),
    "/v1/responses": ({"input": "Hello!", "max_output_tokens": 1}, {
        **SAMPLING, "input": {"wrong": (1, True, {}, []), "right": ("x", [user("x")])},
        "instructions": text("Be brief."), "max_output_tokens": integer(1, HUGE, 1),
        "top_logprobs": integer(0, 20, 20), "tools": items(), "include": items(),
        "tool_choice": {"wrong": (1, True, [], "x", "required"), "right": ("auto", "none", None)},
        "parallel_tool_calls": flag(), "store": flag(), "background": {"wrong": (1, "x", [], {}),
                                                                       "right": (False, None)},
        "metadata": {"wrong": (1, True, "x", []), "right": ({}, {"a": "b"}, None)},
        "text": mapping(), "reasoning": mapping(),
        "previous_response_id": {"wrong": (1, True, [], {}), "right": (None,)},
        "truncation": {"wrong": (1, True, [], {}, "x"), "right": ("auto", "disabled", None)},
        "max_tool_calls": integer(0, HUGE, 1), "service_tier": text("auto"), "cache_prompt": flag(),
        "safety_identifier": text("x"), "prompt_cache_key": text("x"),
        "prompt_cache_retention": text("24h"), "prompt_cache_options": mapping()}),
    "/v1/embeddings": ({"input": "Hello"}, {
        "model": text("nano"), "user": text("me"), "dimensions": integer(1, WIDTH, WIDTH),
        "input": {"wrong": (1, True, {}, "", [], [""], [[]], ["a", 1], [1, "a"], [[1], "", [2]], [1, None], [-1],
                            [VOCABULARY], [2**63], [0.5], [True], ["a"] * 2049),
                  "right": ("x", ["x", "y"], [2], [[2], [2, 3]], [1023], ["a", [2]])},
        "encoding_format": {"wrong": (1, True, [], {}, "x", ""), "right": ("float", "base64", None)}}),
}
# Beyond OpenAI's.
OURS = {
    "/tokenize": ({"content": "x"}, {
        "model": text("nano"), "add_special": flag(), "with_pieces": flag(),
        "content": {"wrong": (1, True, [], {}), "right": ("", "x")}}),
    "/detokenize": ({"tokens": [2]}, {
        "model": text("nano"), "tokens": {"wrong": (1, True, "x", {}, ["x"], [-1], [VOCABULARY], [None], [0.5], [[2]]),
                                          "right": ([], [0], [VOCABULARY - 1], [2.0])}}),
    "/v1/realtime/client_secrets": ({}, {
        "expires_after": {"wrong": (1, True, "x", [], *({"seconds": seconds} for seconds in (
            "10", True, [], 9, 7201, -1, 2**63, 10.5)), {"anchor": 1}, {"anchor": "now"}),
            "right": ({}, None, {"seconds": 10}, {"seconds": 7200}, {"anchor": "created_at"})},
        "session": {"wrong": (1, True, "x", [], {"type": "x"}, {"type": 1}), "right": ({"type": "realtime"}, None)}}),
}


def asked(*more, **first):
    return {"messages": [{"role": "user", "content": "x", **first}, *more]}


def part(kind, **fields):
    return asked(content=[{"type": "text", "text": "x"}, {"type": kind, **fields}])


def called(**fields):
    return {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {
        "name": "f", "arguments": "{}"}, **fields}]}


def declared(**fields):
    return {"tools": [{"type": "function", "function": {"name": "f", **fields}}]}


PICTURE, FILM = (NANO / "eval" / name for name in ("pictures-0069.png", "film-0158.mp4"))
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 1}}}
# Inside of fields: (endpoint, fields with a hole, what is named, what is refused, what is not).
NESTED = (
    (CHAT, asked(role=HOLE), "messages[0].role", (*NO_TEXT, "x", ""), ("user",)),
    (CHAT, asked(content=HOLE), "messages[0].content", (1, True, {}, []), ("x", [{"type": "text", "text": "x"}])),
    (CHAT, asked(name=HOLE), "messages[0].name", NO_TEXT, ("x", None)),
    (CHAT, asked(content=[HOLE]), "messages[0].content[0]", (1, True, "x", []),
     ({"type": "text", "text": "x"},)),
    (CHAT, part(HOLE), "messages[0].content[1].type", (*NO_TEXT, "x", "input_text "), ()),
    (CHAT, part("text", text=HOLE), "messages[0].content[1].text", NO_TEXT, ("", "x")),
    (CHAT, part("image_url", image_url=HOLE), "messages[0].content[1].image_url", (1, True, []),
     (data_uri(PICTURE),)),
    (CHAT, part("image_url", image_url={"url": HOLE}), "messages[0].content[1].image_url.url", NO_TEXT, ()),
    (CHAT, part("image_url", image_url={"url": data_uri(PICTURE), "detail": HOLE}),
     "messages[0].content[1].image_url.detail", (*NO_TEXT, "x"), ("auto", "low", "high", None)),
    (CHAT, part("input_audio", input_audio=HOLE), "messages[0].content[1].input_audio", NO_OBJECT, ()),
    (CHAT, part("input_audio", input_audio={"data": HOLE}), "messages[0].content[1].input_audio.data", NO_TEXT, ()),
    (CHAT, part("input_audio", input_audio={"data": "AAAA", "format": HOLE}),
     "messages[0].content[1].input_audio.format", NO_TEXT, ()),
    (CHAT, part("file", file=HOLE), "messages[0].content[1].file", NO_OBJECT, ()),
    (CHAT, part("file", file={"file_data": data_uri(PICTURE), "filename": HOLE}),
     "messages[0].content[1].file.filename", NO_TEXT, ("x", None)),
    *((CHAT, part("video_url", video_url={"url": data_uri(FILM), name: HOLE}),
       "messages[0].content[1].video_url." + name, ("1", True, [], {}, *wrong), right) for name, wrong, right in (
        ("fps", (0.009, 0, -1, 24.1, 1e300), (0.01, 24, None)), ("start", (-1e-6, 1e6 + 1), (0, None)),
        ("end", (-1e-6, 1e6 + 1), (1, 3, None)))),
    (CHAT, asked({"role": "assistant", "tool_calls": HOLE}), "messages[1].tool_calls",
     (1, True, "x", {}, [called()] * 129), ()),
    (CHAT, asked(called(id=HOLE)), "messages[1].tool_calls[0].id", NO_TEXT, ("x",)),
    (CHAT, asked(called(type=HOLE)), "messages[1].tool_calls[0].type", (*NO_TEXT, "x"), ("function", None)),
    (CHAT, asked(called(function=HOLE)), "messages[1].tool_calls[0].function", NO_OBJECT, ()),
    (CHAT, asked(called(function={"name": HOLE, "arguments": "{}"})),
     "messages[1].tool_calls[0].function.name", (*NO_TEXT, "", "a b"), ("f",)),
    (CHAT, asked(called(function={"name": "f", "arguments": HOLE})),
     "messages[1].tool_calls[0].function.arguments",
     (*NO_TEXT, "[]", "x", "1", '{"a":1e400}'), ("", "{}", '{"a":1}', '{"a":1,"a":2}')),
    (CHAT, asked(called(), {"role": "tool", "tool_call_id": HOLE, "content": "x"}), "messages[2].tool_call_id",
     (*NO_TEXT, "x", ""), ("c",)),
    (CHAT, asked(called(), {"role": "tool", "tool_call_id": "c", "content": HOLE}), "messages[2].content",
     (1, True, {}), ("x", "", [], [{"type": "text", "text": "x"}])),
    (CHAT, {"tools": [HOLE]}, "tools[0]", NO_OBJECT, ()),
    (CHAT, {"tools": [{"type": HOLE}]}, "tools[0].type", (*NO_TEXT, "x"), ()),
    (CHAT, {"tools": [{"type": "function", "function": HOLE}]}, "tools[0].function", NO_OBJECT, ({"name": "f"},)),
    (CHAT, declared(name=HOLE), "tools[0].function.name", (*NO_TEXT, "", "a b", "f" * 65), ("f" * 64,)),
    (CHAT, declared(description=HOLE), "tools[0].function.description", NO_TEXT, ("", "x", None)),
    (CHAT, declared(strict=HOLE), "tools[0].function.strict", (1, "true", [], {}), (True, False, None)),
    (CHAT, {**declared(), "tool_choice": {"type": HOLE}}, "tool_choice.type", (*NO_TEXT, "x"), ()),
    (CHAT, {**declared(), "tool_choice": {"type": "function", "function": HOLE}}, "tool_choice.function",
     NO_OBJECT, ({"name": "f"},)),
    (CHAT, {"functions": [{"name": "f"}], "function_call": {"name": HOLE}}, "function_call.name",
     (*NO_TEXT, "g"), ("f",)),
    (CHAT, {"response_format": {"type": HOLE}}, "response_format.type", (*NO_TEXT, "x"), ("text", "json_object")),
    (CHAT, {"response_format": {"type": "json_schema", "json_schema": HOLE}}, "response_format.json_schema",
     NO_OBJECT, ()),
    *((CHAT, {"response_format": {**SCHEMA, "json_schema": {**SCHEMA["json_schema"], name: HOLE}}},
       "response_format.json_schema." + name, wrong, right) for name, wrong, right in (
        ("name", (*NO_TEXT, "", "a b", "x" * 65), ("x" * 64,)), ("strict", (1, "true", [], {}), (True, None)),
        ("description", NO_TEXT, ("x", None)))),
    (CHAT, {"stream": True, "stream_options": HOLE}, "stream_options", NO_OBJECT, ()),
    (CHAT, {"stream": True, "stream_options": {"include_usage": HOLE}}, "stream_options.include_usage",
     (1, "x", [], {}), ()),
    (CHAT, {"logit_bias": {"5": HOLE}}, "logit_bias.5", ("1", True, [], {}, -100.1, 100.1, 1e300), (-100, 100, None)),
    (CHAT, {"metadata": {"a": HOLE}}, "metadata.a", (1, True, [], {}, "x" * 2049), ("", "x" * 512)),
    (RESPONSES, {"input": [HOLE]}, "input[0]", NO_OBJECT, ({"role": "user", "content": "x"},)),
    (RESPONSES, {"input": [{"type": HOLE, "role": "user", "content": "x"}]}, "input[0].type", (*NO_TEXT, "x", ""),
     ("message", None)),
    (RESPONSES, {"input": [{"role": HOLE, "content": "x"}]}, "input[0].role", (*NO_TEXT, "tool"), ("user",)),
    (RESPONSES, {"input": [{"role": "user", "content": HOLE}]}, "input[0].content", (1, True, {}, []), ("x",)),
    *((RESPONSES, {"input": [{"role": "user", "content": "x"}, {
        "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", name: HOLE}]},
       "input[1]." + name, wrong, right)
      for name, wrong, right in (("call_id", NO_TEXT, ("x",)), ("name", (*NO_TEXT, "", "a b"), ("f",)),
                                 ("arguments", (*NO_TEXT, "[]", "x"), ("", "{}", '{"a":1,"a":2}')))),
    (RESPONSES, {"input": [{"type": "item_reference", "id": HOLE}]}, "input[0].id", (*NO_TEXT, "x", ""), ()),
    (RESPONSES, {"text": {"format": HOLE}}, "text.format", NO_OBJECT, ({"type": "text"}, None)),
    (RESPONSES, {"text": {"format": {"type": HOLE}}}, "text.format.type", (*NO_TEXT, "x"), ("text", "json_object")),
    (RESPONSES, {"text": {"verbosity": HOLE}}, "text.verbosity", NO_TEXT, ("low", None)),
    (RESPONSES, {"include": [HOLE]}, "include[0]", NO_TEXT, ("message.output_text.logprobs", "x")),
    (RESPONSES, {"tools": [{"type": "function", "name": HOLE}]}, "tools[0].name", (*NO_TEXT, "", "a b"), ("f",)),
)


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def test_hostile_j06_j07(self):
        for path, (body, fields) in {**ENDPOINTS, **OURS}.items():
            for name, field in fields.items():
                for value in field["wrong"]:
                    status, _, answer = self.service.post(path, {**body, name: value})
                    where = (path, name, value, answer)
                    self.assertEqual(status, 400, where)
                    error = answer["error"]
                    self.assertIn(error["code"], ("invalid_value", "unsupported_value"), where)
                    self.assertEqual(error["param"].split(".")[0].split("[")[0], name, where)
                    self.assertEqual(error["type"], "invalid_request_error", where)
                for value in field["right"]:
                    status, _, answer = self.service.post(path, {**body, name: value})
                    self.assertEqual(status, 200, (path, name, value, answer))

    def test_hostile_j06_j07_inside_of_fields(self):
        for path, template, param, wrong, right in NESTED:
            for value in wrong:
                status, _, answer = self.service.post(path, {**ENDPOINTS[path][0], **filled(template, value)})
                where = (path, param, str(value)[:100], answer)
                self.assertEqual(status, 400, where)
                self.assertTrue(answer["error"]["param"].startswith(param), where)
                self.assertIn(answer["error"]["code"], (
                    "invalid_value", "unsupported_value", "missing_required_parameter"), where)
            for value in right:
                status, _, answer = self.service.post(path, {**ENDPOINTS[path][0], **filled(template, value)})
                self.assertEqual(status, 200, (path, param, str(value)[:100], answer))

    def test_hostile_j05_a_body_that_is_no_request(self):
        for path in ENDPOINTS:
            for text_ in ("", "null", "[]", '"x"', "{", '{"model":"nano"}{}', '{"a":1,"a":2}', "1e400"):
                status, _, answer = self.service.request("POST", path, text_)
                self.assertEqual(status, 400, (path, text_))
                self.assertEqual(json.loads(answer)["error"]["code"], "invalid_json", (path, text_))

    def test_hostile_j15_unknown_fields(self):
        for path, (body, _) in ENDPOINTS.items():
            many = {f"unknown{i}": i for i in range(4000)}
            before = self.service.metric("gemma3n_unknown_fields_total")
            status, headers, answer = self.service.post(path, {**body, **many})
            self.assertEqual(status, 200, answer)
            self.assertEqual(self.service.metric("gemma3n_unknown_fields_total"), before + 4000)
            self.assertTrue(headers["x-gemma3n-ignored"].startswith("unknown0,unknown1,"))
            status, _, answer = self.service.post(path, {**body, **{str(i): 0 for i in range(10000)}})
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json"))


if __name__ == "__main__":
    unittest.main()
