# SPDX-License-Identifier: Apache-2.0
"""Ollama's dialect: what its clients send, and what they need in the answers.

    server_ollama_test.py GEMMA3N
"""
import base64
import json
import tempfile
import unittest

from service import NANO, Service, run

EVAL = NANO / "eval"
ANSWER = {"temperature": 0}
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
                   "required": ["city"]}}}


def b64(name):
    return base64.b64encode((EVAL / name).read_bytes()).decode()


class OllamaTest(unittest.TestCase):
    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.service = Service("--alias", "gemma3n", *cls.ARGUMENTS)

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def ask(self, path, **body):
        """A good answer in one piece."""
        status, headers, answer = self.service.post(
            path, {"model": "nano", "stream": False, "options": ANSWER, **body})
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["Content-Type"], "application/json")
        return answer

    def chat(self, *messages, **body):
        return self.ask("/api/chat", messages=list(messages), **body)

    def lines(self, path, **body):
        status, headers, text = self.service.request(
            "POST", path, json.dumps({"model": "nano", "options": ANSWER, **body}))
        self.assertEqual(status, 200, text)
        self.assertEqual(headers["Content-Type"], "application/x-ndjson")
        self.assertTrue(text.endswith(b"\n"))
        lines = text.decode().splitlines()
        self.assertNotIn("", lines)
        return [json.loads(line) for line in lines]

    def refused(self, status, path, body, opening=""):
        found, _, answer = self.service.post(path, body)
        self.assertEqual((found, list(answer)), (status, ["error"]), (body, answer))
        self.assertTrue(answer["error"].startswith(opening), answer)
        return answer["error"]


def user(text, **more):
    return {"role": "user", "content": text, **more}


class Answers(OllamaTest):
    def test_whole(self):
        expected = run("--temp", 0, "Repeat: boat white Hugo")
        for answer in (self.chat(user("Repeat: boat white Hugo")),
                       self.ask("/api/generate", prompt="Repeat: boat white Hugo")):
            text = answer["message"]["content"] if "message" in answer else answer["response"]
            self.assertEqual(text, expected["text"])
            self.assertEqual((answer["done"], answer["done_reason"]), (True, "stop"))
            self.assertEqual(answer["model"], "nano")
            self.assertEqual(answer["prompt_eval_count"], len(expected["prompt_token_ids"]))
            self.assertEqual(answer["eval_count"], len(expected["token_ids"]))
            self.assertRegex(answer["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
            self.assertGreaterEqual(answer["total_duration"], answer["eval_duration"])
            for name in ("load_duration", "prompt_eval_duration", "eval_duration"):
                self.assertIsInstance(answer[name], int)
        self.assertEqual(answer["context"], expected["prompt_token_ids"] + expected["token_ids"])

    def test_streams_end_with_done(self):
        for path, body in (("/api/chat", {"messages": [user("Repeat: boat white Hugo")]}),
                           ("/api/generate", {"prompt": "Repeat: boat white Hugo"})):
            lines = self.lines(path, **body)
            texts = [line["message"]["content"] if path == "/api/chat" else line["response"]
                     for line in lines]
            self.assertEqual("".join(texts), "boat white Hugo")
            self.assertGreater(len(lines), 3)
            self.assertEqual([line["done"] for line in lines], [False] * (len(lines) - 1) + [True])
            self.assertEqual(lines[-1]["done_reason"], "stop")
            self.assertGreater(lines[-1]["eval_count"], 0)
        self.assertEqual(lines[-1]["done"], True)

    def test_system_text_and_roles(self):
        expected = run("--temp", 0, "--system", "Answer briefly.", "Hello!")
        for answer in (self.chat({"role": "SYSTEM", "content": "Answer briefly."}, user("Hello!")),
                       self.ask("/api/generate", system="Answer briefly.", prompt="Hello!")):
            self.assertEqual(answer["prompt_eval_count"], len(expected["prompt_token_ids"]))
        # What one says twice is one turn.
        twice = self.chat(user("What is"), user("3 plus 4?"))
        once = self.chat(user("What is\n\n3 plus 4?"))
        self.assertEqual(twice["prompt_eval_count"], once["prompt_eval_count"])

    def test_a_context_goes_on(self):
        first = self.ask("/api/generate", prompt="Repeat: boat white Hugo")
        second = self.ask("/api/generate", prompt="What is 3 plus 4?", context=first["context"])
        told = self.chat(user("Repeat: boat white Hugo"), {"role": "assistant", "content": first["response"]},
                         user("What is 3 plus 4?"))
        self.assertEqual(second["prompt_eval_count"], told["prompt_eval_count"])
        self.assertEqual(second["response"], told["message"]["content"])
        body = {"model": "nano", "prompt": "x"}
        for bad in ("x", [1.5], ["a"], [None], [-1], [10**6], [2] * (2**17 + 1)):
            self.refused(400, "/api/generate", {**body, "context": bad}, "invalid request: context")
        self.refused(400, "/api/generate", {**body, "context": [2], "raw": True}, "invalid request: context")
        self.refused(400, "/api/generate", {**body, "context": [2], "images": [b64("pictures-0069.png")]},
                     "invalid request: context")

    def test_a_context_loses_its_oldest(self):
        """Else it would grow until nothing more could be asked."""
        with Service("--ctx", 256) as small:
            context, lost, longest = [], 0, 0
            for number in range(40):
                prompt = f"Repeat: boat {number} Hugo"
                body = {"model": "nano", "stream": False, "prompt": prompt, "context": context,
                        "options": {**ANSWER, "num_predict": 20}}
                if context and len(context) > 200:
                    status, _, answer = small.post("/api/generate", {**body, "truncate": False, "prompt": prompt * 20})
                    self.assertEqual(status, 400)
                    self.assertTrue(answer["error"].startswith("prompt too long: "), answer)
                status, _, answer = small.post("/api/generate", body)
                self.assertEqual(status, 200, (number, answer))
                shown = small.post("/api/generate", {**body, "_debug_render_only": True})[2]
                text = shown["_debug_info"]["rendered_template"]
                self.assertTrue(text.startswith("<bos><start_of_turn>user\n"), text[:60])
                self.assertIn(prompt + "<end_of_turn>", text)
                lost += answer["prompt_eval_count"] < len(context)
                longest = max(longest, answer["prompt_eval_count"])
                context = answer["context"]
                self.assertLessEqual(len(context), 257)
            self.assertGreater(lost, 1)
            self.assertLess(lost, 10)  # not each time: what was read stays
            self.assertGreater(longest, 180)

    def test_raw(self):
        expected = run("--raw", "--temp", 0, "--max-tokens", 8, "The fish is")
        answer = self.ask("/api/generate", raw=True, prompt="The fish is",
                          options={"temperature": 0, "num_predict": 8})
        self.assertEqual(answer["response"], expected["text"])

    def test_pictures_sound_and_film_by_content(self):
        for name, prompt in (("pictures-0069.png", "What shape is yellow?"),
                             ("speech new voices-0001.flac",
                              "Transcribe the following speech segment."),
                             ("film-0158.mp4", "What is in the last picture?")):
            expected = run("--temp", 0, prompt, EVAL / name) if name.endswith("mp4") else None
            answer = self.chat(user(prompt, images=[b64(name)]))["message"]["content"]
            again = self.ask("/api/generate", prompt=prompt,
                             images=["data:;base64," + b64(name)])
            self.assertEqual(answer, again["response"])
            self.assertNotIn("context", again)
            self.assertEqual(answer, {"pictures-0069.png": "triangle",
                                      "speech new voices-0001.flac": "traz a taça preta"}
                             .get(name) or expected["text"])

    def test_options(self):
        for options, arguments in (
                ({"temperature": 2, "seed": 3, "top_k": 3}, ("--temp", 2, "--seed", 3, "--top-k", 3)),
                ({"temperature": 2, "seed": 3, "top_p": 0.5},
                 ("--temp", 2, "--seed", 3, "--top-p", 0.5)),
                ({"temperature": 0, "num_predict": 2}, ("--temp", 0, "--max-tokens", 2)),
                ({"temperature": 0, "stop": ["white"]}, ("--temp", 0, "--stop", "white")),
                ({"temperature": 0, "num_predict": -2, "top_k": 10**9, "seed": -1, "num_ctx": 10**6},
                 ("--temp", 0))):
            expected = run(*arguments, "Repeat: boat white Hugo")
            answer = self.chat(user("Repeat: boat white Hugo"), options=options)
            self.assertEqual(answer["message"]["content"], expected["text"], options)
            self.assertEqual(answer["done_reason"], expected["finish_reason"])

    def test_unknown_options_are_named(self):
        _, headers, _ = self.service.post("/api/chat", {
            "model": "nano", "stream": False, "messages": [user("Hello!")], "colour": 1,
            "options": {"mirostat": 1, "num_gpu": 99, "temperature": 0}})
        self.assertEqual(headers["x-gemma3n-ignored"], "colour,options.mirostat")

    def test_logprobs(self):
        expected = run("--temp", 0, "--logprobs", 2, "Hello!")["logprobs"]
        answer = self.chat(user("Hello!"), logprobs=True, top_logprobs=2)
        streamed = [token for line in self.lines("/api/chat", messages=[user("Hello!")],
                                                 logprobs=True, top_logprobs=2)
                    for token in line.get("logprobs", [])]
        self.assertEqual(streamed, answer["logprobs"])
        self.assertEqual(len(streamed), len(expected))
        for token, wanted in zip(streamed, expected):
            self.assertAlmostEqual(token["logprob"], wanted["logprob"], places=9)
            self.assertEqual(bytes(token["bytes"]).decode(), token["token"])
            self.assertEqual(len(token["top_logprobs"]), 2)

    def test_format(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9, "minimum": 1},
                                                   "b": {"enum": ["x", "y"]}},
                  "required": ["a", "b"], "additionalProperties": False}
        for fields in ({"format": schema}, {"format": schema, "options": {"temperature": 2, "seed": 1}}):
            found = json.loads(self.chat(user("Hello!"), **fields)["message"]["content"])
            self.assertEqual(set(found), {"a", "b"})
            self.assertIn(found["b"], ("x", "y"))
        text = "".join(line["response"] for line in self.lines("/api/generate", prompt="Hi", format=schema))
        self.assertEqual(set(json.loads(text)), {"a", "b"})
        self.assertIn("message", self.chat(user("Hello!"), format=""))
        answer = self.chat(user("Hello!"), format="json", options={"temperature": 0, "num_predict": 50})
        self.assertTrue(answer["message"]["content"].startswith("{"))
        body = {"model": "nano", "messages": [user("Hello!")]}
        self.refused(400, "/api/chat", {**body, "format": {"type": "strange"}}, "invalid format: ")
        self.refused(400, "/api/chat", {**body, "format": "xml"}, "invalid request: format")

    def test_tools(self):
        said = [user("What is the weather in Oslo?")]
        # The tiny model calls nothing by itself: what it wrote before is told to it.
        call = {"role": "assistant", "content": "", "tool_calls": [
            {"id": "call_1", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]}
        for result in ({"role": "tool", "content": "rain", "tool_name": "get_weather"},
                       {"role": "tool", "content": "rain", "tool_call_id": "call_1"},
                       {"role": "tool", "content": "rain"}):
            shown = self.ask("/api/chat", messages=[*said, call, result], tools=[WEATHER],
                             _debug_render_only=True)["_debug_info"]["rendered_template"]
            for piece in ("get_weather", "Weather of a city", '"city": "Oslo"', "rain"):
                self.assertIn(piece.replace('": "', '":"'), shown.replace('": "', '":"'))
            self.assertTrue(self.chat(*said, call, result, tools=[WEATHER])["done"])
        body = {"model": "nano", "messages": said}
        self.refused(400, "/api/chat", {**body, "tools": [{"type": "function"}]}, "invalid request: tools[0]")
        self.refused(400, "/api/chat", {**body, "tools": [WEATHER, WEATHER]}, "invalid request: ")
        self.refused(400, "/api/chat", {**body, "tools": [WEATHER], "format": {"type": "array"}},
                     "invalid format: format")
        self.chat(*said, tools=[])

    def test_calls(self):
        """What nano writes at high temperature is a call with some seeds, and with others the form."""
        said = [user("What is the weather in Oslo?")]
        five = {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}
        called = 0
        for seed in range(30):
            asked = {"tools": [WEATHER], "format": five,
                     "options": {"temperature": 2, "seed": seed, "num_predict": 60}}
            whole = self.chat(*said, **asked)["message"]
            lines = self.lines("/api/chat", messages=said, **asked)
            streamed = [call for line in lines for call in line["message"].get("tool_calls", [])]
            calls = whole.get("tool_calls", [])
            self.assertEqual([call["function"] for call in streamed], [call["function"] for call in calls])
            if not calls:
                self.assertEqual(json.loads(whole["content"] or '{"n": 5}'), {"n": 5})
                continue
            self.assertEqual([call["function"]["index"] for call in calls], list(range(len(calls))))
            self.assertEqual(len({call["id"] for call in calls}), len(calls))
            for call in calls:
                self.assertEqual(call["function"]["name"], "get_weather")
                self.assertIsInstance(call["function"]["arguments"]["city"], str)
            self.assertEqual((whole["content"], "".join(line["message"]["content"] for line in lines)), ("", ""))
            called += 1
            if called == 2:
                break
        self.assertEqual(called, 2)

    def test_what_clients_have_cut_off(self):
        """A conversation may begin with an answer, or with the result of a call that is gone."""
        def shown(*messages):
            return self.chat(*messages, _debug_render_only=True)["_debug_info"]["rendered_template"]
        answer = {"role": "assistant", "content": "It is 7."}
        self.assertEqual(shown(answer, user("And?")), shown(user(""), answer, user("And?")))
        result = {"role": "tool", "content": "rain"}
        text = shown({"role": "system", "content": "Be brief."}, result, answer, user("And?"))
        self.assertIn('"name": "tool"', text.replace('":"', '": "'))
        self.assertTrue(self.chat(result, answer, user("And?"))["done"])
        self.assertIn('"get_weather"', shown({"role": "tool", "content": "x", "tool_name": "get_weather"}))

    def test_debug_render_only(self):
        shown = self.chat(user("What shape is yellow?", images=[b64("pictures-0069.png")]),
                          _debug_render_only=True)["_debug_info"]
        self.assertEqual(shown["image_count"], 1)
        self.assertIn("What shape is yellow?<end_of_turn>", shown["rendered_template"])

    def test_load_and_unload(self):
        for path, body in (("/api/chat", {"messages": []}), ("/api/chat", {}),
                           ("/api/generate", {"prompt": ""}), ("/api/generate", {})):
            for keep_alive, reason in (("5m", "load"), (0, "unload"), ("0s", "unload"), (-1, "load")):
                answer = self.ask(path, keep_alive=keep_alive, **body)
                self.assertEqual((answer["done"], answer["done_reason"]), (True, reason))
            lines = self.service.request("POST", path, json.dumps({"model": "nano", **body}))[2]
            self.assertEqual(json.loads(lines)["done"], True)
        for good in (0, -1, 1.5, "10m", "1h30m", "-1s", "0", "250ms"):
            self.chat(user("Hello!"), keep_alive=good)
        for bad in ("", "5", "m5", "5 m", [], "9" * 99 + "s", True):
            self.refused(400, "/api/chat", {"model": "nano", "messages": [], "keep_alive": bad},
                         "invalid request: keep_alive")

    def test_thinking_is_refused(self):
        for good in (False, None):
            self.chat(user("Hello!"), think=good)
        for bad in (True, "high"):
            self.assertIn('"nano" does not support thinking', self.refused(
                400, "/api/chat", {"model": "nano", "messages": [user("x")], "think": bad}))

    def test_long_conversations_lose_their_beginning(self):
        long = [turn for i in range(60) for turn in
                (user(f"Say nothing about the number {i}, whatever happens."),
                 {"role": "assistant", "content": "Very well, I shall not."})]
        ask = user("What is 3 plus 4?")
        with Service("--ctx", 512) as small:
            body = {"model": "nano", "stream": False, "messages": [*long, ask],
                    "options": {**ANSWER, "num_predict": 20}}
            status, _, answer = small.post("/api/chat", body)
            self.assertEqual(status, 200, answer)
            self.assertLess(answer["prompt_eval_count"], 512)
            status, _, answer = small.post("/api/chat", {**body, "truncate": False})
            self.assertEqual(status, 400)
            self.assertTrue(answer["error"].startswith("prompt too long: "), answer)
        # num_ctx takes less of the context than there is.
        cut = self.chat(*long, ask, options={**ANSWER, "num_ctx": 300})
        self.assertLess(cut["prompt_eval_count"], 300)
        self.assertIn("too long", self.refused(400, "/api/generate", {
            "model": "nano", "prompt": "word " * 300, "options": {"num_ctx": 200}}))


HUGE = 2**31 - 1
NUMBER, FLAG = ("1", True, [], {}), (1, "true", [], {})
# Name: (what is refused, what is not).
OPTIONS = {
    "temperature": ((*NUMBER, -1e-6, 100.1, 1e300), (0, 1e-40, 2.0, None)),
    "top_p": ((*NUMBER, -0.1, 1.1), (0, 1, None)), "min_p": ((*NUMBER, -0.1, 1.1), (0, 1, None)),
    "typical_p": ((*NUMBER, -1e-9, 1.1), (0, 1e-300, 1, None)), "top_k": ((*NUMBER, -1, 0.5, HUGE + 1), (0, 1, HUGE, 2.0)),
    "seed": ((*NUMBER, 0.5, 2**63), (-1, 0, -2**63, 2**63 - 1)), "num_predict": ((*NUMBER, -3, HUGE + 1), (1, 2.0)),
    "num_ctx": ((*NUMBER, 0, HUGE + 1), (500, HUGE)), "repeat_penalty": ((*NUMBER, -1, 1e-4, 100.1), (0, 1e-3, 100)),
    "repeat_last_n": ((*NUMBER, -2, HUGE + 1), (-1, 0, HUGE)), "stop": ((1, {}, "", [""], ["x"] * 17, "x" * 257), ("x", [])),
    "presence_penalty": ((*NUMBER, -2.1, 2.1), (-2, 2)), "frequency_penalty": ((*NUMBER, -2.1, 2.1), (-2, 2)),
    **{name: ((*NUMBER, HUGE + 1), (0, 4, -1)) for name in ("num_keep", "num_thread", "num_gpu", "num_batch", "main_gpu")},
    **{name: (FLAG, (True, False, None)) for name in ("use_mmap", "low_vram", "numa", "vocab_only", "f16_kv",
                                                      "logits_all", "use_mlock")}}
FIELDS = {
    "stream": (FLAG, (False,)), "options": ((1, "x", []), ({}, None)), "format": ((1, True, [], "xml"), ("", None)),
    "think": ((1, "much", [], {}), (False, None)), "truncate": (FLAG, (True, None)), "shift": (FLAG, (False, None)),
    "logprobs": (FLAG, (True, None)), "top_logprobs": ((*NUMBER, -1, 21, 3), (0, None)),
    "_debug_render_only": (FLAG, (None,)), "keep_alive": (([], {}, True, "x"), (1, None))}
OF_CHAT = {
    "messages": ((1, "x", {}, [1], [{}], [{"role": "x", "content": "x"}], [{"role": "user", "content": 1}],
                  [{"role": "user", "content": "x", "images": "x"}], [{"role": "user", "images": [1]}],
                  [{"role": "system", "content": "x"}], [{"role": "user", "content": "x", "tool_calls": [
                      {"function": {"name": "f"}}]}]),
                 ([{"role": "user", "content": None}], [{"role": "assistant", "content": "x"}],
                  [{"role": "tool", "content": "x"}])),
    "tools": ((1, "x", {}, [1], [{}], [{"type": "x"}], [{"function": {"name": ""}}], [{"function": {"name": "a\nb"}}],
               [{"function": {"name": "f" * 129}}],
               [{"function": {"name": "f", "parameters": {"type": "string"}}}],
               [{"function": {"name": f"f{i}"}} for i in range(129)]), ([], None, [{"function": {"name": "a.b:c-" + "f" * 122}}]))}
OF_GENERATE = {
    "prompt": ((1, True, [], {}), ()), "system": ((1, True, [], {}), ("", None)), "raw": (FLAG, (True, None)),
    "images": ((1, "x", {}, [1], ["%"]), ([], None)), "suffix": ((1, [], "x"), ("", None)),
    "template": ((1, [], "x"), ("", None)), "context": ((1, "x", {}), ([], None))}

WIDTH = json.loads((NANO / "config.json").read_text())["text_config"]["hidden_size"]
MODEL = {"model": ((1, [], {}, True, None), ("nano", "nano:latest"))}
OF_EMBED = {
    **MODEL, "truncate": (FLAG, (True, None)),
    "dimensions": ((*NUMBER, 0, -1, 0.5, WIDTH + 1, 2**62), (1, WIDTH, 2.0, None)),
    "input": ((1, True, {}, [1], [""], ["x", None], ["x"] * 2049), ("x", "", ["x", "y"], [], None))}
OF_BOTH_EMBEDS = {"options": ((1, "x", [], {"top_k": "x"}), ({}, None)), "keep_alive": FIELDS["keep_alive"]}


class Fields(OllamaTest):
    ARGUMENTS = ("--allow-model-management",)

    def check(self, path, body, name, value, status, option=False):
        body = {"model": "nano", "stream": False, **body}
        if option:
            body["options"] = {"num_predict": 1, name: value}
        else:
            body[name] = value
        found, _, answer = self.service.request("POST", path, json.dumps(body))
        self.assertEqual(found, status, (name, str(value)[:100], answer))
        if status == 400:  # what is good may have no body
            self.assertIn(("options." if option else "") + name, json.loads(answer)["error"])

    def test_J06_J07_fields_of_wrong_type_or_range(self):
        few = {"options": {"num_predict": 1}}
        for path, body, fields in (
                ("/api/chat", {"messages": [user("Hello!")], **few}, {**MODEL, **FIELDS, **OF_CHAT}),
                ("/api/generate", {"prompt": "Hello!", **few}, {**MODEL, **FIELDS, **OF_GENERATE}),
                ("/api/embed", {"input": "Hello"}, {**OF_EMBED, **OF_BOTH_EMBEDS}),
                ("/api/embeddings", {"prompt": "Hello"}, {
                    **MODEL, **OF_BOTH_EMBEDS, "prompt": ((1, True, {}, ["x"]), ("x", "", None))}),
                ("/api/show", {}, {**MODEL, "verbose": (FLAG, (True, None))}),
                ("/api/create", {"model": "made", "from": "nano"}, {
                    "model": (MODEL["model"][0] + ("nano", "", "../x", "a b", "x" * 200, "\x1b[2J"),
                              ("made", "a/b:c")),
                    "from": ((1, [], {}, None, "/etc/passwd", "../nano"), ("nano",)), "stream": (FLAG, (False,)),
                    "system": ((1, [], {}, "x" * 65537), ("", "x" * 65536, None)),
                    "parameters": ((1, "x", [], {"top_k": -1}), ({}, {"top_k": 1}, None)),
                    "modelfile": ((1, [], {}, "RUN x", 'FROM nano\nSYSTEM "', "FROM nano\nPARAMETER top_k x",
                                   "FROM nano\n" + "".join(f"PARAMETER p{i} 1\n" for i in range(10**6))),
                                  ("FROM nano", "FROM nano\n#" + "x" * 131061, None))}),
                ("/api/copy", {"source": "nano", "destination": "other"}, {
                    "source": ((1, [], {}, None), ("nano",)),
                    "destination": ((1, [], {}, None), ("other", "x:y"))})):
            for name, (wrong, right) in fields.items():
                for value in wrong:
                    self.check(path, body, name, value, 400)
                for value in right:
                    self.check(path, body, name, value, 200)
        for name, (wrong, right) in OPTIONS.items():
            for value in wrong:
                self.check("/api/generate", {"prompt": "Hello!"}, name, value, 400, option=True)
            for value in right:
                self.check("/api/generate", {"prompt": "Hello!"}, name, value, 200, option=True)
        for path in ("/api/chat", "/api/generate", "/api/show", "/api/embed"):
            for body in ("", "null", "[]", "1", "{", '{"model":"nano","model":"nano"}'):
                status, _, answer = self.service.request("POST", path, body)
                self.assertEqual(status, 400, (path, body, answer))
            for model in (1, [], {}, True, None):
                self.refused(400, path, {"model": model})


class Embeddings(OllamaTest):
    def test_both_forms(self):
        """The vectors are those of OpenAI's dialect, which are compared with the reference."""
        texts = ["What is 3 plus 4?", "red apple"]
        wanted = [one["embedding"] for one in self.service.post(
            "/v1/embeddings", {"model": "nano", "input": texts, "encoding_format": "float"})[2]["data"]]
        status, _, answer = self.service.post("/api/embed", {"model": "nano", "input": texts})
        self.assertEqual((status, answer["model"], answer["embeddings"]), (200, "nano", wanted))
        self.assertGreater(answer["prompt_eval_count"], 8)
        self.assertGreater(answer["total_duration"], 0)
        one = self.service.post("/api/embed", {"model": "nano", "input": texts[0], "dimensions": 4})[2]
        self.assertEqual(len(one["embeddings"][0]), 4)
        old = self.service.post("/api/embeddings", {"model": "nano", "prompt": texts[0]})[2]["embedding"]
        length = sum(value * value for value in old) ** 0.5
        for ours, theirs in zip(old, wanted[0]):
            self.assertAlmostEqual(ours / length, theirs, places=5)
        for path, field in (("/api/embed", "input"), ("/api/embeddings", "prompt")):
            empty = self.service.post(path, {"model": "nano", field: ""})[2]
            self.assertEqual(empty.get("embeddings", empty.get("embedding")), [])
            for bad in (1, {}, [1], [""], True):
                self.refused(400, path, {"model": "nano", field: bad}, "invalid request: " + field)
            self.refused(404, path, {"model": "x", field: "x"}, "model 'x' not found")
            self.refused(400, path, {"model": "nano", field: "x", "options": {"top_k": "x"}})
        long = {"model": "nano", "input": "word " * 3000}
        self.assertEqual(self.service.post("/api/embed", long)[0], 200)
        self.refused(400, "/api/embed", {**long, "truncate": False}, "prompt too long: ")


class Listings(OllamaTest):
    def get(self, path):
        status, _, text = self.service.request("GET", path)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def test_it_is_running(self):
        status, headers, text = self.service.request("GET", "/")
        self.assertEqual((status, text), (200, b"Ollama is running"))
        self.assertTrue(headers["Content-Type"].startswith("text/plain"))
        for path in ("/", "/api/version", "/api/tags"):
            status, _, text = self.service.request("HEAD", path)
            self.assertEqual((status, text), (200, b""))

    def test_version_is_one_that_editors_take(self):
        version = self.get("/api/version")["version"]
        self.assertGreaterEqual([int(part) for part in version.split(".")], [0, 6, 4])
        with Service("--ollama-version", "0.99.1") as other:
            self.assertEqual(json.loads(other.request("GET", "/api/version")[2]), {"version": "0.99.1"})

    def test_tags_and_ps(self):
        models = self.get("/api/tags")["models"]
        self.assertEqual([model["name"] for model in models], ["nano:latest", "gemma3n:latest"])
        model = models[0]
        self.assertRegex(model["digest"], "^[0-9a-f]{64}$")
        self.assertGreater(model["size"], 10**6)
        self.assertEqual(model["details"]["family"], "gemma3n")
        self.assertEqual(set(model["capabilities"]), {"completion", "tools", "vision", "audio", "embedding"})
        running = self.get("/api/ps")["models"][0]
        self.assertEqual((running["model"], running["size_vram"]), ("nano:latest", 0))
        self.assertGreater(running["expires_at"], model["modified_at"])

    def test_show(self):
        config = json.loads((NANO / "config.json").read_text())["text_config"]
        for field in ("model", "name"):
            status, _, shown = self.service.post("/api/show", {field: "gemma3n"})
            self.assertEqual(status, 200, shown)
            info = shown["model_info"]
            self.assertEqual(info["general.architecture"], "gemma3n")
            self.assertEqual(info["gemma3n.block_count"], config["num_hidden_layers"])
            self.assertEqual(info["gemma3n.embedding_length"], config["hidden_size"])
            self.assertIn("tools", shown["capabilities"])
            self.assertIn("temperature", shown["parameters"])
            self.assertIn("FROM gemma3n:latest", shown["modelfile"])
        self.refused(404, "/api/show", {"model": "x"}, "model 'x' not found")

    def test_a_name_of_the_list_is_one_in_all_dialects(self):
        """Editors list and look at models here, and ask them over OpenAI's interface."""
        for name in [model["name"] for model in self.get("/api/tags")["models"]]:
            self.assertEqual(self.service.post("/api/show", {"model": name})[0], 200)
            body = {"model": name, "messages": [user("What is 3 plus 4?")], "temperature": 0}
            status, _, answer = self.service.post("/v1/chat/completions", body)
            self.assertEqual((status, answer.get("model")), (200, name), answer)
            self.assertEqual(answer["choices"][0]["message"]["content"], "7")
            self.assertEqual(self.service.request("GET", "/v1/models/" + name)[0], 200)
            self.assertEqual(self.service.post(f"/v1beta/models/{name}:generateContent", {
                "contents": [{"parts": [{"text": "Hello!"}]}]})[0], 200)
        for name in ("nano:other", "nano:latest:latest", ":latest", "latest"):
            body = {"model": name, "messages": [user("x")]}
            self.assertEqual(self.service.post("/v1/chat/completions", body)[0], 404, name)

    def test_names_have_tags(self):
        for name in ("nano", "nano:latest", "gemma3n"):
            self.assertEqual(self.chat(user("Hello!"), model=name)["model"], name)
        for name in ("nano:8b", "library/nano", "", "../nano", "x" * 10000):
            error = self.refused(404, "/api/chat", {"model": name, "messages": [user("x")]},
                                 "model '")
            self.assertLess(len(error), 200)

    def test_what_needs_a_network_is_refused_in_plain_words(self):
        for path in ("/api/pull", "/api/push", "/api/me", "/api/blobs/sha256:" + "0" * 64):
            self.refused(501, path, {"model": "nano"}, "not supported by this server")
        self.assertEqual(self.service.request("HEAD", "/api/blobs/sha256:" + "0" * 64)[0], 501)
        self.refused(404, "/api/strange", {})

    def test_A10_management_needs_a_flag(self):
        for method, path, body in (("POST", "/api/create", {"model": "a", "from": "nano"}),
                                   ("POST", "/api/copy", {"source": "nano", "destination": "a"}),
                                   ("DELETE", "/api/delete", {"model": "nano"})):
            status, _, text = self.service.request(method, path, json.dumps(body))
            self.assertEqual(status, 403, text)
            self.assertIn("--allow-model-management", json.loads(text)["error"])
        self.assertEqual(len(self.get("/api/tags")["models"]), 2)


class Management(OllamaTest):
    ARGUMENTS = ("--allow-model-management", "--allow-origin", "https://page.example")

    def delete(self, name, service=None):
        return (service or self.service).request("DELETE", "/api/delete", json.dumps({"model": name}))[0]

    def names(self, service=None):
        text = (service or self.service).request("GET", "/api/tags")[2]
        return [model["name"] for model in json.loads(text)["models"]]

    def test_create_copy_delete(self):
        for body in ({"from": "nano"}, {"from": str(NANO)}, {"from": str(NANO / "eval" / "..")}):
            lines = self.service.request("POST", "/api/create", json.dumps(
                {"model": "mario", "system": "You are Mario.",
                 "parameters": {"temperature": 0, "num_predict": 3}, **body}))[2].splitlines()
            self.assertEqual(json.loads(lines[-1]), {"status": "success"})
        answer = self.ask("/api/generate", model="mario", prompt="Hello!", options={})
        expected = run("--temp", 0, "--max-tokens", 3, "--system", "You are Mario.", "Hello!")
        self.assertEqual(answer["response"], expected["text"])
        self.assertEqual(answer["prompt_eval_count"], len(expected["prompt_token_ids"]))
        longer = self.chat(user("Hello!"), model="mario:latest", options={"num_predict": 5})
        self.assertEqual(longer["eval_count"], 5)
        own = self.chat({"role": "system", "content": "Answer briefly."}, user("Hello!"), model="mario")
        self.assertEqual(own["prompt_eval_count"], len(run(
            "--temp", 0, "--system", "Answer briefly.", "Hello!")["prompt_token_ids"]))
        status, _, shown = self.service.post("/api/show", {"model": "mario"})
        self.assertEqual(shown["system"], "You are Mario.")
        self.assertIn('SYSTEM """You are Mario."""', shown["modelfile"])
        self.assertIn("PARAMETER num_predict 3", shown["modelfile"])
        # What is shown makes the same again.
        self.assertEqual(self.service.request("POST", "/api/create", json.dumps(
            {"model": "luigi", "modelfile": shown["modelfile"], "stream": False}))[0], 200)
        self.assertEqual(self.ask("/api/generate", model="luigi", prompt="Hello!", options={})
                         ["response"], expected["text"])
        self.assertEqual(self.service.request("POST", "/api/copy", json.dumps(
            {"source": "mario", "destination": "toad:8"}))[0], 200)
        self.assertEqual(self.names()[2:], ["luigi:latest", "mario:latest", "toad:8"])
        for name in ("mario", "luigi", "toad:8"):
            self.assertEqual(self.delete(name), 200)
        self.assertEqual(self.names(), ["nano:latest", "gemma3n:latest"])
        self.assertEqual(self.delete("mario"), 404)
        self.assertEqual(self.delete("nano"), 400)

    def test_only_this_model(self):
        body = {"model": "a", "from": "nano"}
        for other in ("/etc/passwd", "/nowhere/at/all", "./models", "../x.gguf"):
            error = self.refused(400, "/api/create", {**body, "from": other}, "invalid request: from")
            self.assertIn("has one model", error)  # whether there is a file is nobody's business
        self.refused(404, "/api/create", {**body, "from": "llama3"}, "model 'llama3' not found")
        for field, value in (("template", "x"), ("adapters", {"a": "b"}), ("files", {"a": "b"}),
                             ("messages", [user("x")]), ("quantize", "q4_0"),
                             ("parameters", {"top_k": "x"}), ("system", 1), ("model", "a b"),
                             ("model", "../a"), ("model", "a" * 200), ("model", "nano"),
                             ("modelfile", "RUN x"), ("modelfile", 'FROM nano\nSYSTEM """x')):
            self.refused(400, "/api/create", {**body, field: value}, "invalid request: ")
        self.assertEqual(self.names(), ["nano:latest", "gemma3n:latest"])

    def test_A10_pages_of_other_origins_do_not_manage(self):
        for origin, status in (("https://page.example", 403),
                               (f"http://127.0.0.1:{self.service.port}", 200)):
            found = self.service.request("POST", "/api/create", json.dumps(
                {"model": "a", "from": "nano"}),
                {"Origin": origin, "Content-Type": "application/json"})[0]
            self.assertEqual(found, status)
        self.delete("a")

    def test_names_are_bounded(self):
        for i in range(64):
            self.assertEqual(self.service.post("/api/create", {
                "model": f"n{i}", "from": "nano", "stream": False})[0], 200)
        self.assertIn("64 names", self.refused(400, "/api/create", {"model": "more", "from": "nano"}))
        for i in range(64):
            self.assertEqual(self.delete(f"n{i}"), 200)

    def test_names_are_kept_on_disk(self):
        with tempfile.TemporaryDirectory() as state:
            arguments = ("--allow-model-management", "--state-directory", state)
            with Service(*arguments) as first:
                first.post("/api/create", {"model": "mario", "from": "nano", "stream": False,
                                           "system": "You are Mario.", "parameters": {"seed": 5}})
            with Service(*arguments) as second:
                self.assertEqual(self.names(second), ["nano:latest", "mario:latest"])
                shown = second.post("/api/show", {"model": "mario"})[2]
                self.assertEqual(shown["system"], "You are Mario.")
                self.assertEqual(self.delete("mario", second), 200)
            with Service(*arguments) as third:
                self.assertEqual(self.names(third), ["nano:latest"])


if __name__ == "__main__":
    unittest.main()
