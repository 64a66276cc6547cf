# SPDX-License-Identifier: Apache-2.0
"""OpenAI's dialect: functions, forms of answers, scored prompts, conversations that go on.

    openai_test.py GEMMA3N
"""
import json
import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from form import HEADERS, file, form
from program import call
from service import NANO, Service, WITHOUT_END, data_uri, picture, run, sound, user

EVAL = NANO / "eval"
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PERSON = {"type": "object", "properties": {"zone": {"enum": ["Oslo", "Rome"]},
                                           "age": {"type": "integer", "minimum": 0, "maximum": 99}},
          "required": ["zone", "age"], "additionalProperties": False}


def tool(name="get_time", parameters=PERSON, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


class OpenAi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def good(self, path, **body):
        status, _, answer = self.service.post(path, {"temperature": 0, **body})
        self.assertEqual(status, 200, answer)
        return answer

    def message(self, *messages, **fields):
        """(message, why it ended)"""
        choice = self.service.chat(*messages, **fields)["choices"][0]
        return choice["message"], choice["finish_reason"]

    def refused(self, code, param, path=CHAT, **body):
        if path == CHAT:
            body.setdefault("messages", [user("Hello!")])
        status, _, answer = self.service.post(path, body)
        error = answer.get("error", {})
        self.assertEqual((status, error.get("code"), error.get("param")), (400, code, param), answer)
        return error["message"]

    def chunks(self, path=CHAT, **body):
        connection, events = self.service.events(path, {"temperature": 0, **body})
        events = list(events)
        connection.close()
        self.assertEqual(events[-1], "[DONE]")
        return [json.loads(event) for event in events[:-1]]


class Functions(OpenAi):
    def check_call(self, made):
        self.assertEqual((made["type"], made["function"]["name"]), ("function", "get_time"))
        self.assertTrue(made["id"].startswith("call_"))
        arguments = json.loads(made["function"]["arguments"])
        self.assertEqual(list(arguments), ["zone", "age"])
        self.assertIn(arguments["zone"], ("Oslo", "Rome"))
        self.assertIn(arguments["age"], range(100))

    def test_calls_that_must_come(self):
        for fields in ({"tool_choice": "required", "parallel_tool_calls": False},
                       {"tool_choice": {"type": "function", "function": {"name": "get_time"}}},
                       {"tool_choice": {"type": "allowed_tools", "allowed_tools": {
                           "mode": "required", "tools": [{"type": "function",
                                                          "function": {"name": "get_time"}}]}},
                        "parallel_tool_calls": False}):
            said, why = self.message(user("Hello!"), tools=[tool("other"), tool(strict=True)],
                                     **{"max_tokens": 200, **fields})
            if fields["tool_choice"] == "required":
                self.assertIn(said["tool_calls"][0]["function"]["name"], ("other", "get_time"))
                continue
            self.assertEqual((why, said["content"], len(said["tool_calls"])), ("tool_calls", None, 1))
            self.check_call(said["tool_calls"][0])

    def test_streamed_calls_are_those_of_the_whole_answer(self):
        fields = {"messages": [user("Hello!")], "tools": [tool(strict=True)], "max_tokens": 300,
                  "tool_choice": "required", "seed": 5, "temperature": 1}
        whole = self.good(CHAT, **fields)["choices"][0]
        calls, reasons = {}, []
        for chunk in self.chunks(**fields):
            for choice in chunk["choices"]:
                reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
                for delta in choice["delta"].get("tool_calls", []):
                    made = calls.setdefault(delta["index"], {**delta, "function": {
                        "name": delta["function"].get("name"), "arguments": ""}})
                    made["function"]["arguments"] += delta["function"]["arguments"]
        expected = whole["message"]["tool_calls"]
        self.assertEqual(len(calls), len(expected))
        for index, made in enumerate(expected):
            self.assertEqual(calls[index]["function"], made["function"])
            self.assertTrue(calls[index]["id"].startswith("call_"))
        self.assertEqual(reasons, [whole["finish_reason"]])

    def test_text_where_no_call_must_come(self):
        plain = self.service.chat(user("What is 3 plus 4?"))
        for choice in ("auto", "none"):
            said, why = self.message(user("What is 3 plus 4?"), tools=[tool()], tool_choice=choice)
            self.assertNotIn("tool_calls", said)
            self.assertEqual(why, "stop")
        # Functions that cannot be called are not declared either.
        none = self.service.chat(user("What is 3 plus 4?"), tools=[tool()], tool_choice="none")
        self.assertEqual(none["choices"][0]["message"], plain["choices"][0]["message"])
        self.assertEqual(none["usage"]["prompt_tokens"], plain["usage"]["prompt_tokens"])

    def test_the_old_shape(self):
        fields = {"functions": [tool()["function"]], "function_call": {"name": "get_time"},
                  "max_tokens": 200}
        said, why = self.message(user("Hello!"), **fields)
        self.assertEqual((why, said["content"]), ("function_call", None))
        self.assertEqual(said["function_call"]["name"], "get_time")
        self.assertIn(json.loads(said["function_call"]["arguments"])["zone"], ("Oslo", "Rome"))
        arguments = ""
        for chunk in self.chunks(messages=[user("Hello!")], **fields):
            arguments += chunk["choices"][0]["delta"].get("function_call", {}).get("arguments", "")
        self.assertEqual(arguments, said["function_call"]["arguments"])
        self.message(user("Hello!"), said, {"role": "function", "name": "get_time", "content": "8"})
        self.refused("invalid_value", "messages[1].name",
                     messages=[user("x"), {"role": "function", "name": "f", "content": "8"}])

    def test_a_conversation_with_calls(self):
        made = {"role": "assistant", "content": None, "tool_calls": [
            {"id": "call_1", "type": "function",
             "function": {"name": "get_time", "arguments": '{"zone": "Oslo"}'}},
            {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": ""}}]}
        results = [{"role": "tool", "tool_call_id": "call_2", "content": "8 o'clock"},
                   {"role": "tool", "tool_call_id": "call_1",
                    "content": [{"type": "text", "text": '{"hour": 8}'}]}]
        answer = self.service.chat(user("Hello!"), made, *results, user("What is 3 plus 4?"),
                                   tools=[tool()])
        said = self.service.chat(
            user("Hello!"),
            {"role": "assistant", "content": '[{"name": "get_time", "parameters": {"zone": "Oslo"}}, '
                                             '{"name": "get_time", "parameters": {}}]'},
            user('```tool_output\n{"name":"get_time","output":"8 o\'clock"}\n```\n\n'
                 '```tool_output\n{"name":"get_time","output":{"hour":8}}\n```\n\nWhat is 3 plus 4?'),
            tools=[tool()])
        self.assertEqual(answer["usage"]["prompt_tokens"], said["usage"]["prompt_tokens"])
        self.assertEqual(answer["choices"][0]["message"], said["choices"][0]["message"])

    def test_hostile_s08_s09(self):
        for function, code, param in (
                ({"name": ""}, "invalid_value", "name"), ({"name": "a" * 65}, "invalid_value", "name"),
                ({"name": "a\nb"}, "invalid_value", "name"),
                ({"name": "<start_of_turn>"}, "invalid_value", "name"),
                ({}, "missing_required_parameter", "name"),
                ({"name": "f", "parameters": 5}, "invalid_json_schema", "parameters"),
                ({"name": "f", "strict": 1}, "invalid_value", "strict"),
                ({"name": "f", "strict": True, "parameters": {
                    "type": "object", "properties": {"a": {"not": {}}}}},
                 "invalid_json_schema", "parameters.properties.a.not")):
            self.refused(code, "tools[0].function." + param,
                         tools=[{"type": "function", "function": function}])
        self.refused("invalid_value", "tools[1].function.name", tools=[tool(), tool()])
        self.refused("invalid_value", "tools", tools=[tool(f"f{i}") for i in range(129)])
        self.message(user("Hello!"), tools=[{"type": "function", "function": {"name": "f"}}])
        for choice, param in (({"type": "function", "function": {"name": "g"}}, "function.name"),
                              ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
                                  {"type": "function", "function": {"name": "g"}}]}},
                               "allowed_tools.tools[0].function.name")):
            self.refused("invalid_value", "tool_choice." + param, tools=[tool()], tool_choice=choice)
        self.refused("invalid_value", "tool_choice", tool_choice="required")
        for message, param in (({"role": "tool", "tool_call_id": "x", "content": "8"}, "tool_call_id"),
                               ({"role": "assistant", "tool_calls": [
                                   {"id": "x", "function": {"name": "f", "arguments": "["}}]},
                                "tool_calls[0].function.arguments")):
            self.refused("invalid_value", "messages[1]." + param, messages=[user("x"), message])


class Forms(OpenAi):
    def schema(self, schema, **more):
        return {"response_format": {"type": "json_schema",
                                    "json_schema": {"name": "it", "schema": schema, **more}}}

    def test_an_answer_holds_to_its_schema(self):
        for strict in (True, False):
            said, why = self.message(user("Hello!"), max_tokens=200,
                                     **self.schema(PERSON, strict=strict))
            self.assertEqual(why, "stop")
            self.assertEqual(list(json.loads(said["content"])), ["zone", "age"])
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in self.chunks(
            messages=[user("Hello!")], max_tokens=200, **self.schema(PERSON)))
        self.assertEqual(text, said["content"])

    def test_calls_or_an_answer_that_holds(self):
        """Which of both the model begins is told to it by what a first token is worth."""
        fields = {"messages": [user("Hello!")], "tools": [tool()], "parallel_tool_calls": False,
                  "max_tokens": 200, "temperature": 0}
        tokens = {begin: call("tokenize", "-m", NANO, begin)[1].strip() for begin in "[{x"}
        for form in (self.schema(PERSON), {"response_format": {"type": "json_object"}}):
            calls = self.good(CHAT, **fields, **form, logit_bias={tokens["["]: 100})["choices"][0]
            self.assertEqual((calls["finish_reason"], calls["message"]["content"]), ("tool_calls", None))
            self.assertEqual(list(json.loads(calls["message"]["tool_calls"][0]["function"]["arguments"])),
                             ["zone", "age"])
        bias = {tokens["{"]: 100, tokens["x"]: 100}  # no plain text, however much it is worth
        said = self.good(CHAT, **fields, **self.schema(PERSON), logit_bias=bias)["choices"][0]
        self.assertEqual(said["finish_reason"], "stop")
        self.assertNotIn("tool_calls", said["message"])
        self.assertEqual(list(json.loads(said["message"]["content"])), ["zone", "age"])
        text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in self.chunks(
            **fields, **self.schema(PERSON), logit_bias=bias))
        self.assertEqual(text, said["message"]["content"])
        # Where a call must come, nothing else does.
        must = self.good(CHAT, **fields, **self.schema(PERSON), tool_choice="required", logit_bias=bias)
        self.assertEqual(must["choices"][0]["finish_reason"], "tool_calls")

    def test_any_object(self):
        ends = []
        for seed in range(6):
            said, why = self.message(user("Hello!"), response_format={"type": "json_object"},
                                     max_tokens=400, temperature=1, seed=seed)
            self.assertTrue(said["content"].startswith("{"))
            ends.append(why)
            if why == "stop":
                self.assertIsInstance(json.loads(said["content"]), dict)
        self.assertGreater(ends.count("stop"), 2, ends)

    def test_hostile_s01_s07_what_cannot_be_held_to_is_refused(self):
        deep = {"type": "string"}
        for _ in range(40):
            deep = {"type": "array", "items": deep}
        for schema, param in (({"not": {}}, ".not"), ({"$ref": "#/nowhere"}, ".$ref"),
                              ({"type": "string", "pattern": "("}, ".pattern"),
                              ({"type": "object", "properties": {"a": {"if": {}}}}, ".properties.a.if"),
                              (deep, None), (5, None)):
            status, _, answer = self.service.post(CHAT, {"messages": [user("x")], **self.schema(schema)})
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json_schema"), answer)
            found = answer["error"]["param"]
            self.assertTrue(found.startswith("response_format.json_schema.schema"), found)
            if param is not None:
                self.assertEqual(found, "response_format.json_schema.schema" + param)
        self.refused("missing_required_parameter", "response_format.json_schema.schema",
                     response_format={"type": "json_schema", "json_schema": {"name": "x"}})
        self.refused("invalid_json_schema", "response_format.json_schema.schema", tools=[tool()],
                     **self.schema({"type": "array"}))
        self.refused("invalid_json_schema", "response_format.json_schema.schema.pattern", tools=[tool()],
                     **self.schema({"type": "string", "pattern": "("}))
        self.refused("unsupported_value", "messages", messages=[
            user("x"), {"role": "assistant", "content": "{"}], **self.schema(PERSON))


class Conversations(OpenAi):
    def test_a_last_answer_is_continued(self):
        whole, _ = self.message(user("Repeat: boat white Hugo"))
        rest, _ = self.message(user("Repeat: boat white Hugo"),
                               {"role": "assistant", "content": "boat white"})
        self.assertEqual("boat white" + rest["content"], whole["content"])

    def test_what_one_role_says_twice_is_one_turn(self):
        one = self.service.chat(user("Repeat:\n\nboat white Hugo"))
        two = self.service.chat(user("Repeat:"), user("boat white Hugo"))
        self.assertEqual(one["usage"]["prompt_tokens"], two["usage"]["prompt_tokens"])
        self.assertEqual(one["choices"], two["choices"])

    def test_refusals_of_earlier_answers_are_text(self):
        said = [user("Hello!"), {"role": "assistant", "content": "No."}, user("Hello!")]
        expected = self.service.chat(*said)["usage"]["prompt_tokens"]
        for message in ({"refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}):
            said[1] = {"role": "assistant", **message}
            self.assertEqual(self.service.chat(*said)["usage"]["prompt_tokens"], expected)

    def test_files_are_what_their_bytes_say(self):
        for part, name, prompt in ((picture, "pictures-0069.png", "What shape is yellow?"),
                                   (sound, "speech new voices-0000.flac",
                                    "Transcribe the following speech segment.")):
            expected = self.service.chat(user(part(EVAL / name), prompt))
            file = {"type": "file", "file": {"file_data": data_uri(EVAL / name), "filename": "x"}}
            self.assertEqual(self.service.chat(user(file, prompt))["choices"], expected["choices"])
        heard = {"type": "audio_url", "audio_url": {"url": data_uri(EVAL / name)}}
        self.assertEqual(self.service.chat(user(heard, prompt))["choices"], expected["choices"])

    def test_files_that_were_left_here(self):
        name, prompt = "pictures-0069.png", "What shape is yellow?"
        expected = self.service.chat(user(picture(EVAL / name), prompt))
        status, _, body = self.service.request(
            "POST", "/v1/files", form(("purpose", "vision"), file((EVAL / name).read_bytes())), HEADERS)
        self.assertEqual(status, 200, body)
        left = json.loads(body)["id"]
        part = {"type": "file", "file": {"file_id": left}}
        self.assertEqual(self.service.chat(user(part, prompt))["choices"], expected["choices"])
        response = self.good("/v1/responses", input=[{"role": "user", "content": [
            {"type": "input_image", "file_id": left}, {"type": "input_text", "text": prompt}]}])
        self.assertEqual(response["output"][0]["content"][0]["text"], "triangle")
        part["file"]["file_id"] = "file-nowhere"
        status, _, answer = self.service.post(CHAT, {"messages": [user(part)]})
        self.assertEqual((status, answer["error"]["code"]), (404, "not_found"))

    def test_penalties_keep_tokens_from_coming_again(self):
        prompt = user("Last word: bag book snow snow")
        bias = {**WITHOUT_END, "292": 4}
        plain = self.service.chat(prompt, logit_bias=bias, max_tokens=8, logprobs=True)
        ids = [token["token"] for token in plain["choices"][0]["logprobs"]["content"]]
        self.assertLess(len(set(ids)), 8)
        for name in ("presence_penalty", "frequency_penalty"):
            other = self.service.chat(prompt, logit_bias=bias, max_tokens=8, **{name: 2})
            self.assertNotEqual(other["choices"][0]["message"], plain["choices"][0]["message"])

    def test_logprobs_come_with_their_text(self):
        chunks = self.chunks(messages=[user("Repeat: boat white Hugo")], logprobs=True)
        pairs = [(choice["delta"].get("content", ""), choice["logprobs"]["content"])
                 for chunk in chunks for choice in chunk["choices"] if choice["logprobs"]]
        self.assertGreater(len(pairs), 3)
        for text, tokens in pairs[:-1]:
            self.assertEqual("".join(token["token"] for token in tokens).strip(), text.strip())

    def test_fingerprint_and_metadata(self):
        first = self.service.chat(user("Hello!"), store=True, metadata={"a": "b"})
        self.assertRegex(first["system_fingerprint"], "^fp_[0-9a-f]{10}$")
        self.assertEqual(first["timings"]["load_ms"], 0)
        self.assertEqual(first["metadata"], {"a": "b"})
        with tempfile.TemporaryDirectory() as place:  # other files, and be it by their time alone
            model = pathlib.Path(place) / "nano"
            shutil.copytree(NANO, model)
            prints = [first["system_fingerprint"]]
            for _ in range(2):
                (model / "config.json").touch()
                with Service(model=model) as other:
                    prints.append(other.chat(user("Hello!"))["system_fingerprint"])
        self.assertEqual(len(set(prints)), 3, prints)
        self.assertNotIn("metadata", self.service.chat(user("Hello!"), metadata={"a": "b"}))


class Completions(OpenAi):
    def test_a_scored_prompt_is_that_of_the_logits(self):
        text = "The fish is in the river."
        ids = run("--raw", "--temp", 0, "--max-tokens", 1, text)["prompt_token_ids"]
        with tempfile.TemporaryDirectory() as place:
            file = pathlib.Path(place) / "logits.npy"
            code, _, err = call("logits", "-m", NANO, "--ids", ",".join(map(str, ids)),
                                "--out", file, "--quiet")
            self.assertEqual(code, 0, err)
            logits = np.load(file).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = [scores[i, ids[i + 1]] for i in range(len(ids) - 1)]
        for most in (0, 1):
            answer = self.good(COMPLETIONS, prompt=text, echo=True, logprobs=1, max_tokens=most)
            logprobs = answer["choices"][0]["logprobs"]
            # Behind the prompt is one token of an answer, which may be the one that ends it.
            self.assertEqual("".join(logprobs["tokens"][:len(expected)]), text)
            np.testing.assert_allclose(logprobs["token_logprobs"][:len(expected)], expected,
                                       rtol=0, atol=1e-9)
            self.assertEqual(len(logprobs["tokens"]), len(expected) + most)
            self.assertEqual(logprobs["text_offset"][0], 0)
        of_ids = self.good(COMPLETIONS, prompt=ids, echo=True, logprobs=1, max_tokens=0)
        logprobs = of_ids["choices"][0]["logprobs"]
        self.assertEqual((logprobs["token_logprobs"][0], logprobs["top_logprobs"][0]), (None, None))
        np.testing.assert_allclose(logprobs["token_logprobs"][1:], expected, rtol=0, atol=1e-9)

    def test_a_scored_prompt_in_a_stream(self):
        text = "The fish is in the river."
        ids = run("--raw", "--temp", 0, "--max-tokens", 1, "The fish")["prompt_token_ids"]

        def choices(body):
            return [choice for chunk in self.chunks(COMPLETIONS, **body) for choice in chunk["choices"]]

        for body in ({"prompt": text, "max_tokens": 0}, {"prompt": text, "max_tokens": 4},
                     {"prompt": [ids, ids[:2]], "max_tokens": 3, "n": 2, "seed": 1, "temperature": 1},
                     {"prompt": text, "max_tokens": 3, "stop": ["e"]}):
            body |= {"echo": True, "logprobs": 2}
            whole = self.good(COMPLETIONS, **body)["choices"]
            found = [{"text": "", "logprobs": {}, "finish_reason": None} for _ in whole]
            for choice in choices(body):
                one = found[choice["index"]]
                one["text"] += choice["text"]
                one["finish_reason"] = choice["finish_reason"] or one["finish_reason"]
                for name, values in (choice["logprobs"] or {}).items():
                    one["logprobs"].setdefault(name, []).extend(values)
            for one, expected in zip(found, whole):
                expected.pop("index")
                self.assertEqual(one, expected)
        # What is told of a prompt stands in the chunk of its text.
        first = next(choice for choice in choices(body) if choice["text"])
        self.assertEqual(first["text"], "".join(first["logprobs"]["tokens"]))
        self.assertEqual(first["text"], text)

    def test_prompts_of_ids(self):
        ids = run("--raw", "--temp", 0, "--max-tokens", 1, "The fish is")["prompt_token_ids"]
        text = self.good(COMPLETIONS, prompt="The fish is")
        for prompt in (ids, [ids], [ids, ids]):
            answer = self.good(COMPLETIONS, prompt=prompt)
            for choice in answer["choices"]:
                self.assertEqual(choice["text"], text["choices"][0]["text"])

    def test_hostile_p04_ids_and_texts(self):
        vocabulary = json.loads((NANO / "config.json").read_text())["text_config"]["vocab_size"]
        for ids, param in (([-1], "prompt[0]"), ([2, vocabulary], "prompt[1]"), ([1.5], "prompt[0]"),
                           ([[2], [True]], "prompt[1][0]"), ([2, "x"], "prompt[1]"), ([[]], "prompt[0]"),
                           ([], "prompt")):
            self.refused("invalid_value", param, COMPLETIONS, prompt=ids)
        config = json.loads((NANO / "config.json").read_text())
        for name in ("image_token_id", "audio_token_id", "boi_token_id", "eoi_token_id"):
            if name == "eoi_token_id":  # an end alone makes no medium
                continue
            message = self.refused("invalid_value", None, COMPLETIONS, prompt=[2, config[name]])
            self.assertIn("pictures and sound", message)
        # As text a control token is text.
        self.assertGreater(self.good(COMPLETIONS, prompt="<bos>")["usage"]["prompt_tokens"], 2)

    def test_the_best_of_several(self):
        fields = {"prompt": "Once", "temperature": 2, "seed": 4, "logprobs": 0, "max_tokens": 5}
        every = self.good(COMPLETIONS, **fields, n=4)["choices"]
        best = self.good(COMPLETIONS, **fields, n=2, best_of=4)
        means = sorted((-np.mean(choice["logprobs"]["token_logprobs"]), choice["text"])
                       for choice in every)
        self.assertEqual([choice["text"] for choice in best["choices"]],
                         [text for _, text in means[:2]])
        self.assertEqual([choice["index"] for choice in best["choices"]], [0, 1])
        self.refused("invalid_value", "best_of", COMPLETIONS, prompt="x", n=3, best_of=2)
        plain = self.good(COMPLETIONS, prompt="Once", n=1, best_of=2, seed=1)
        self.assertIsNone(plain["choices"][0]["logprobs"])


if __name__ == "__main__":
    unittest.main()
