# SPDX-License-Identifier: Apache-2.0
"""Each field of each of OpenAI's endpoints: of the wrong type it is refused by its own name (J06), at
the ends of its range it works, and beyond them it does not (J07).

    openai_fields_test.py GEMMA3N
"""
import json
import unittest

from service import NANO, Service, user

VOCABULARY = json.loads((NANO / "config.json").read_text())["text_config"]["vocab_size"]
CONTEXT = json.loads((NANO / "config.json").read_text())["text_config"]["max_position_embeddings"]
HUGE = 2**63 - 1


def flag(**more):
    return {"wrong": (1, "true", [], {}), "right": (True, False, None), **more}


def text(*right, **more):
    return {"wrong": (1, True, [], {}), "right": (*right, None), **more}


def number(least, most, **more):
    step = 1e-6
    return {"wrong": ("1", True, [], {}, least - step, most + step, -1e300, 1e300),
            "right": (least, most, None), **more}


def integer(least, most, *right, **more):
    """Also 1.0 is one, where it is in the range."""
    wrong = [least - 1, most + 1 if most < HUGE else 2**63, 2**64 - 1, 0.5, -HUGE - 1]
    return {"wrong": ("1", True, [], {}, *wrong), "right": (least, *right, float(max(1, least)), None),
            **more}


def mapping(**more):
    return {"wrong": (1, True, "x", []), "right": ({}, None), **more}


def items(**more):
    return {"wrong": (1, True, "x", {}), "right": ([], None), **more}


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
        "max_tool_calls": integer(0, HUGE, 1), "service_tier": text("auto"),
        "safety_identifier": text("x"), "prompt_cache_key": text("x"),
        "prompt_cache_retention": text("24h"), "prompt_cache_options": mapping()}),
}


class Fields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def test_hostile_j06_j07(self):
        for path, (body, fields) in ENDPOINTS.items():
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

    def test_hostile_j05_a_body_that_is_no_request(self):
        for path in ENDPOINTS:
            for text_ in ("", "null", "[]", '"x"', "{", '{"model":"nano"}{}', '{"a":1,"a":2}', "1e400"):
                status, _, answer = self.service.request("POST", path, text_)
                self.assertEqual(status, 400, (path, text_))
                self.assertEqual(json.loads(answer)["error"]["code"], "invalid_json", (path, text_))

    def test_hostile_j15_unknown_fields(self):
        for path, (body, _) in ENDPOINTS.items():
            many = {f"unknown{i}": i for i in range(4000)}
            status, headers, answer = self.service.post(path, {**body, **many})
            self.assertEqual(status, 200, answer)
            self.assertTrue(headers["x-gemma3n-ignored"].startswith("unknown0,unknown1,"))
            status, _, answer = self.service.post(path, {**body, **{str(i): 0 for i in range(10000)}})
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json"))


if __name__ == "__main__":
    unittest.main()
