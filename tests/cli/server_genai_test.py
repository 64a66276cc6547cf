# SPDX-License-Identifier: Apache-2.0
"""Google's dialect: what GenAI's clients send, in both spellings, and what they need in the answers.

    server_genai_test.py GEMMA3N
"""
import base64
import json
import unittest
import wave

from service import NANO, Service, run

EVAL = NANO / "eval"
MODEL = "/v1beta/models/nano"
GREEDY = {"temperature": 0}
WEATHER = {"name": "get_weather", "description": "Weather of a city", "parameters": {
    "type": "OBJECT", "properties": {"city": {"type": "STRING", "maxLength": "12"},
                                     "unit": {"type": "STRING", "format": "enum", "enum": ["C", "F"]}},
    "required": ["city"]}}


def text(content, role="user"):
    return {"role": role, "parts": [{"text": content}]}


def inline(name, **more):
    data = base64.urlsafe_b64encode((EVAL / name).read_bytes()).decode().rstrip("=")
    return {"inlineData": {"mimeType": "application/x-any", "data": data}, **more}


def text_of(answer, candidate=0):
    return "".join(part["text"] for part in answer["candidates"][candidate]["content"]["parts"])


class GenAiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service("--alias", "models2/odd name:1")

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def generate(self, *contents, path=MODEL + ":generateContent", config=None, **body):
        status, headers, answer = self.service.post(
            path, {"contents": list(contents), "generationConfig": {**GREEDY, **(config or {})}, **body})
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["Content-Type"], "application/json")
        return answer

    def stream(self, *contents, config=None, **body):
        status, headers, found = self.service.request(
            "POST", MODEL + ":streamGenerateContent?alt=sse",
            json.dumps({"contents": list(contents), "generationConfig": {**GREEDY, **(config or {})}, **body}))
        self.assertEqual(status, 200, found)
        self.assertEqual(headers["Content-Type"], "text/event-stream")
        frames = found.decode().split("\r\n\r\n")
        self.assertEqual(frames.pop(), "")
        for frame in frames:
            self.assertTrue(frame.startswith("data: {"), frame)
        return [json.loads(frame[6:]) for frame in frames]

    def refused(self, body, status=400, code="INVALID_ARGUMENT", field=None,
                path=MODEL + ":generateContent", **headers):
        found, _, answer = self.service.post(path, body, headers)
        self.assertEqual(found, status, (body, answer))
        error = answer["error"]
        self.assertEqual((error["code"], error["status"]), (status, code), error)
        if field:
            detail = error["details"][0]
            self.assertEqual(detail["@type"], "type.googleapis.com/google.rpc.BadRequest")
            self.assertEqual(detail["fieldViolations"][0]["field"], field)
        return error["message"]


class Answers(GenAiTest):
    def test_whole_in_all_versions(self):
        expected = run("--temp", 0, "Repeat: boat white Hugo")
        for version in ("v1", "v1beta", "v1alpha"):
            answer = self.generate(text("Repeat: boat white Hugo"),
                                   path=f"/{version}/models/nano:generateContent")
            self.assertEqual(text_of(answer), expected["text"])
            candidate = answer["candidates"][0]
            self.assertEqual((candidate["finishReason"], candidate["index"]), ("STOP", 0))
            self.assertEqual(candidate["content"]["role"], "model")
            usage = answer["usageMetadata"]
            self.assertEqual(usage["promptTokenCount"], len(expected["prompt_token_ids"]))
            self.assertEqual(usage["candidatesTokenCount"], len(expected["token_ids"]))
            self.assertEqual(usage["totalTokenCount"],
                             usage["promptTokenCount"] + usage["candidatesTokenCount"])
            self.assertEqual(usage["promptTokensDetails"],
                             [{"modality": "TEXT", "tokenCount": usage["promptTokenCount"]}])
            self.assertEqual(answer["modelVersion"], "nano")
            self.assertRegex(answer["createTime"], r"^\d{4}-.*Z$")
        # A role is the user's where none is said.
        again = self.generate({"parts": [{"text": "Repeat: boat "}, {"text": "white Hugo"}]})
        self.assertEqual(text_of(again), expected["text"])

    def test_stream_of_events(self):
        chunks = self.stream(text("Repeat: boat white Hugo"))
        self.assertEqual("".join(map(text_of, chunks)), "boat white Hugo")
        self.assertGreater(len(chunks), 3)
        self.assertEqual(len({chunk["responseId"] for chunk in chunks}), 1)
        self.assertEqual([chunk["candidates"][0].get("finishReason") for chunk in chunks],
                         [None] * (len(chunks) - 1) + ["STOP"])
        whole = self.generate(text("Repeat: boat white Hugo"))
        for name in ("promptTokenCount", "candidatesTokenCount"):
            self.assertEqual(chunks[-1]["usageMetadata"][name], whole["usageMetadata"][name])

    def test_stream_as_a_list(self):
        status, headers, found = self.service.request(
            "POST", MODEL + ":streamGenerateContent",
            json.dumps({"contents": [text("Repeat: boat white Hugo")], "generationConfig": GREEDY}))
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        chunks = json.loads(found)
        self.assertEqual("".join(map(text_of, chunks)), "boat white Hugo")
        self.assertIn("usageMetadata", chunks[-1])

    def test_candidates(self):
        config = {"temperature": 2, "seed": 40, "candidateCount": 3}
        answer = self.generate(text("Once there was"), config=config)
        alone = [text_of(self.generate(text("Once there was"),
                                       config={"temperature": 2, "seed": 40 + i})) for i in range(3)]
        self.assertEqual([text_of(answer, i) for i in range(3)], alone)
        chunks = self.stream(text("Once there was"), config=config)
        for index in range(3):
            mine = [chunk for chunk in chunks if chunk["candidates"][0]["index"] == index]
            self.assertEqual("".join(map(text_of, mine)), alone[index])
            self.assertIn("finishReason", mine[-1]["candidates"][0])
        self.assertEqual(chunks[-1]["usageMetadata"]["candidatesTokenCount"],
                         answer["usageMetadata"]["candidatesTokenCount"])

    def test_both_spellings_and_numbers_as_strings(self):
        camel = {"systemInstruction": {"parts": [{"text": "Answer briefly."}]},
                 "generationConfig": {"temperature": 2, "topK": 3, "topP": 0.5, "seed": 3,
                                      "maxOutputTokens": 3, "stopSequences": ["zzz"]}}
        snake = {"system_instruction": {"parts": [{"text": "Answer briefly."}]},
                 "generation_config": {"temperature": "2", "top_k": "3", "top_p": "0.5", "seed": "3",
                                       "max_output_tokens": "3", "stop_sequences": ["zzz"]}}
        expected = run("--system", "Answer briefly.", "--temp", 2, "--top-k", 3, "--top-p", 0.5, "--seed", 3,
                       "--max-tokens", 3, "Hello!")
        for body in (camel, snake):
            status, headers, answer = self.service.post(
                MODEL + ":generateContent", {"contents": [text("Hello!")], **body})
            self.assertEqual(status, 200, answer)
            self.assertEqual(text_of(answer), expected["text"])
            self.assertNotIn("x-gemma3n-ignored", headers)
        self.refused({"contents": [text("x")], "generationConfig": {"topK": 1, "top_k": 1}},
                     field="generationConfig.topK")

    def test_media_by_content(self):
        for part, prompt, expected, modality in (
                (inline("pictures-0069.png"), "What shape is yellow?", "triangle", "IMAGE"),
                (inline("speech new voices-0001.flac"), "Transcribe the following speech segment.",
                 "traz a taça preta", "AUDIO")):
            answer = self.generate({"role": "user", "parts": [part, {"text": prompt}]})
            self.assertEqual(text_of(answer), expected)
            self.assertIn(modality, [one["modality"] for one in answer["usageMetadata"]["promptTokensDetails"]])
        with wave.open(str(NANO / "examples" / "spanish.wav")) as file:
            samples = base64.b64encode(file.readframes(file.getnframes())).decode()
        raw = {"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": samples}}
        wav = inline("../examples/spanish.wav")
        self.assertEqual(*(text_of(self.generate({"parts": [part, {"text": "Transcribe."}]}))
                           for part in (raw, wav)))
        for kind in ("audio/pcm;rate=1", "audio/pcmx"):
            raw["inlineData"]["mimeType"] = kind
            self.refused({"contents": [{"parts": [raw]}]}, field="contents[0].parts[0].inlineData.mimeType")
        film = inline("film-0158.mp4")
        question = {"text": "What is in the last picture?"}
        expected = run("--temp", 0, "--video", EVAL / "film-0158.mp4", question["text"])
        whole = self.generate({"parts": [film, question]})
        self.assertEqual(text_of(whole), expected["text"])
        part = self.generate({"parts": [{**film, "videoMetadata": {"endOffset": "1s", "fps": 1}}, question]})
        self.assertLess(part["usageMetadata"]["promptTokenCount"], whole["usageMetadata"]["promptTokenCount"])
        for metadata in ({"fps": 0}, {"fps": 25}, {"startOffset": "3"}, {"startOffset": 3},
                         {"endOffset": "-1s"}, {"endOffset": "1e9s"}):
            self.refused({"contents": [{"parts": [{**film, "videoMetadata": metadata}, question]}]},
                         field="contents[0].parts[0].videoMetadata." + next(iter(metadata)))
        for data in ("", "AAAA", "%%%", "JVBERi0xLjQK"):
            self.refused({"contents": [{"parts": [{"inlineData": {"data": data}}, question]}]},
                         field="contents[0].parts[0].inlineData.data")

    def test_a_conversation_told_in_pieces(self):
        """Clients keep each chunk of a stream as a content of its own."""
        whole = self.generate(text("Hello!"), text("boat white", "model"), text("What is 3 plus 4?"))
        pieces = self.generate(text("Hello!"), text("boat", "model"), text(" white", "model"),
                               text("What is 3 plus 4?"))
        self.assertEqual(pieces["usageMetadata"]["promptTokenCount"], whole["usageMetadata"]["promptTokenCount"])
        self.assertEqual(text_of(pieces), text_of(whole))

        def call(city):
            return {"functionCall": {"id": city, "name": "get_weather", "args": {"city": city}}}
        results = {"role": "tool", "parts": [{"functionResponse": {
            "id": city, "name": "get_weather", "response": {"output": "rain"}}} for city in ("Oslo", "Lima")]}
        counts = [self.generate(text("Weather?"), *said, results)["usageMetadata"]["promptTokenCount"] for said in (
            [{"role": "model", "parts": [call("Oslo"), call("Lima")]}],
            [{"role": "model", "parts": [part]} for part in (call("Oslo"), call("Lima"), {"text": ""})],
            [text("", "model"), *({"role": "model", "parts": [part]} for part in (call("Oslo"), call("Lima")))])]
        self.assertEqual(len(set(counts)), 1, counts)

    def test_what_clients_have_cut_off(self):
        """A conversation may begin with an answer, or with the result of a call that is gone."""
        answer = text("It is 7.", "model")
        cut = self.generate(answer, text("And?"))
        whole = self.generate(text(""), answer, text("And?"))
        self.assertEqual((text_of(cut), cut["usageMetadata"]), (text_of(whole), {
            **whole["usageMetadata"], "cachedContentTokenCount": cut["usageMetadata"]["cachedContentTokenCount"]}))
        self.generate({"role": "tool", "parts": [{"functionResponse": {"name": "get_weather", "response": {}}}]},
                      answer, text("And?"))

    def test_count_tokens(self):
        expected = len(run("--temp", 0, "--system", "Answer briefly.", "Hello!")["prompt_token_ids"])
        contents = {"contents": [text("Hello!")], "systemInstruction": text("Answer briefly.")}
        for body in (contents, {"generateContentRequest": {"model": "models/nano", **contents}},
                     {"generate_content_request": contents}):
            status, _, answer = self.service.post(MODEL + ":countTokens", body)
            self.assertEqual((status, answer["totalTokens"]), (200, expected), answer)
        # What no answer could have as its prompt is counted all the same.
        tools = [{"functionDeclarations": [WEATHER]}]
        for body, least in (({"contents": [text("word " * 3000)]}, 3000),
                            ({"contents": [text("Hi", "model"), text("x")]}, 8),
                            ({"contents": [text("x"), text("Hi", "model")], "tools": tools}, 20)):
            status, _, answer = self.service.post(MODEL + ":countTokens", body)
            self.assertEqual(status, 200, answer)
            self.assertGreater(answer["totalTokens"], least)
        self.refused({"contents": [text("word " * 3000)]})
        picture = {"contents": [{"parts": [inline("pictures-0069.png"), {"text": "x"}]}]}
        details = self.service.post(MODEL + ":countTokens", picture)[2]["promptTokensDetails"]
        self.assertEqual([one["modality"] for one in details], ["TEXT", "IMAGE"])

    def test_logprobs(self):
        expected = run("--temp", 0, "--logprobs", 2, "Hello!")["logprobs"]
        answer = self.generate(text("Hello!"), config={"responseLogprobs": True, "logprobs": 2})
        candidate = answer["candidates"][0]
        chosen = candidate["logprobsResult"]["chosenCandidates"]
        self.assertEqual([one["tokenId"] for one in chosen], [one["id"] for one in expected])
        for one, top, wanted in zip(chosen, candidate["logprobsResult"]["topCandidates"], expected):
            self.assertAlmostEqual(one["logProbability"], wanted["logprob"], places=9)
            self.assertEqual(len(top["candidates"]), 2)
        self.assertAlmostEqual(candidate["avgLogprobs"] * len(chosen),
                               candidate["logprobsResult"]["logProbabilitySum"], places=6)

    def test_safety_and_thinking_are_taken(self):
        self.generate(text("Hello!"), safetySettings=[
            {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            labels={"a": "b"}, config={"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False},
                                       "responseModalities": ["TEXT"]})
        for level in ("LOW", "XHIGH", "level-to-come"):
            self.generate(text("Hello!"), config={"thinkingConfig": {"thinkingLevel": level}})
        thought = {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "Hi"}]}
        with_thought = self.generate(text("Hello!"), thought, text("Hello!"))
        without = self.generate(text("Hello!"), text("Hi", "model"), text("Hello!"))
        self.assertEqual(with_thought["usageMetadata"]["promptTokenCount"],
                         without["usageMetadata"]["promptTokenCount"])


class Forms(GenAiTest):
    def test_schema(self):
        schema = {"type": "OBJECT", "propertyOrdering": ["b", "a"], "required": ["a", "b"], "properties": {
            "a": {"type": "ARRAY", "items": {"type": "INTEGER", "minimum": 1, "maximum": 9},
                  "minItems": "2", "maxItems": "3"},
            "b": {"type": "STRING", "format": "enum", "enum": ["x", "y"], "nullable": True}}}
        for config in ({"responseSchema": schema}, {"responseSchema": schema, "temperature": 2, "seed": 1}):
            config = {**config, "responseMimeType": "application/json"}
            found = json.loads(text_of(self.generate(text("Hello!"), config=config)))
            self.assertEqual(list(found), ["b", "a"])
            self.assertIn(found["b"], ("x", "y", None))
            self.assertIn(len(found["a"]), (2, 3))
            self.assertTrue(all(1 <= number <= 9 for number in found["a"]))
            streamed = "".join(map(text_of, self.stream(text("Hello!"), config=config)))
            self.assertEqual(list(json.loads(streamed)), ["b", "a"])

    def test_json_schema_and_enum(self):
        config = {"responseMimeType": "application/json", "responseJsonSchema": {
            "type": "object", "properties": {"n": {"type": "integer", "minimum": 5, "maximum": 5}},
            "required": ["n"], "additionalProperties": False}}
        self.assertEqual(json.loads(text_of(self.generate(text("Hello!"), config=config))), {"n": 5})
        config = {"responseMimeType": "text/x.enum",
                  "responseSchema": {"type": "STRING", "enum": ["Percussion", "String"]}}
        self.assertIn(text_of(self.generate(text("Hello!"), config=config)), ("Percussion", "String"))
        config = {"responseMimeType": "application/json", "maxOutputTokens": 20}
        self.assertIn(text_of(self.generate(text("Hello!"), config=config))[0], "[{")

    def test_bad_schemas(self):
        for schema, path in (({"type": "STRANGE"}, ".type"), ({"type": "STRING", "pattern": "("}, ".pattern"),
                             ({"type": "OBJECT", "propertyOrdering": ["a"]}, ".propertyOrdering[0]"),
                             ({"type": "OBJECT", "properties": {"a": {"$ref": "#/x"}}}, ".properties.a"),
                             ({"type": "ARRAY", "minItems": -1}, ".minItems"), ({"oneOf": []}, "")):
            self.refused({"contents": [text("x")], "generationConfig": {
                "responseMimeType": "application/json", "responseSchema": schema}},
                field="generationConfig.responseSchema" + path)
        nested = {"type": "STRING"}
        for _ in range(25):
            nested = {"type": "ARRAY", "items": nested}
        for _ in range(20):
            nested = {"anyOf": [nested]}
        self.refused({"contents": [text("x")], "generationConfig": {
            "responseMimeType": "application/json", "responseSchema": nested}})
        for config, field in (({"responseSchema": {"type": "STRING"}}, "responseSchema"),
                              ({"responseMimeType": "application/xml"}, "responseMimeType"),
                              ({"responseMimeType": "text/x.enum"}, "responseJsonSchema.enum"),
                              ({"responseMimeType": "application/json", "responseSchema": {},
                                "responseJsonSchema": {}}, "responseJsonSchema")):
            self.refused({"contents": [text("x")], "generationConfig": config},
                         field="generationConfig." + field)

    def ask_weather(self, mode=None, allowed=None, **more):
        config = {"mode": mode} if mode else {}
        if allowed:
            config["allowedFunctionNames"] = allowed
        return {"tools": [{"functionDeclarations": [WEATHER, {"name": "get_time"}]}],
                "toolConfig": {"functionCallingConfig": config}, **more}

    def test_a_function_must_be_called(self):
        for mode in ("ANY", "any"):
            fields = self.ask_weather(mode, ["get_weather"])
            answer = self.generate(text("What is the weather in Oslo?"), config={"maxOutputTokens": 200}, **fields)
            parts = answer["candidates"][0]["content"]["parts"]
            self.assertGreaterEqual(len(parts), 1)
            for part in parts:
                call = part["functionCall"]
                self.assertEqual(call["name"], "get_weather")
                self.assertIsInstance(call["args"]["city"], str)
                self.assertLessEqual(set(call["args"]), {"city", "unit"})
                self.assertTrue(call["id"])
            self.assertEqual(answer["candidates"][0]["finishReason"], "STOP")
            streamed = [part for chunk in self.stream(text("What is the weather in Oslo?"),
                                                      config={"maxOutputTokens": 200}, **fields)
                        for part in chunk["candidates"][0]["content"]["parts"] if "functionCall" in part]
            self.assertEqual([part["functionCall"]["args"] for part in streamed],
                             [part["functionCall"]["args"] for part in parts])

    def test_names_of_functions_are_googles(self):
        """Up to 128 bytes with dots and colons, which OpenAI's may not have."""
        name = "weather.v2:get-it_" + "x" * 110
        fields = {"tools": [{"functionDeclarations": [{**WEATHER, "name": name}]}],
                  "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}}
        config = {"maxOutputTokens": 250}
        content = self.generate(text("Weather?"), config=config, **fields)["candidates"][0]["content"]
        self.assertEqual(content["parts"][0]["functionCall"]["name"], name)
        self.generate(text("Weather?"), content, {"role": "tool", "parts": [
            {"functionResponse": {"id": part["functionCall"]["id"], "name": name, "response": {}}}
            for part in content["parts"]]}, config=config, **fields)
        for wrong in (name + "x", "", "a/b", "a b", "\u00e9"):
            self.refused({"contents": [text("x")], "tools": [{"functionDeclarations": [{"name": wrong}]}]},
                         field="tools[0].functionDeclarations[0].name")

    def test_a_function_may_be_called(self):
        call = {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "get_weather",
                                                             "args": {"city": "Oslo"}}}]}
        result = {"role": "function", "parts": [{"functionResponse": {
            "id": "c1", "name": "get_weather", "response": {"output": "rain"}}}]}
        for mode in (None, "AUTO", "VALIDATED", "NONE"):
            self.generate(text("And?"), call, result, **self.ask_weather(mode))
        none = self.generate(text("x"), **self.ask_weather("NONE"))["usageMetadata"]["promptTokenCount"]
        self.assertEqual(none, self.generate(text("x"))["usageMetadata"]["promptTokenCount"])
        bad = {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "get_time", "response": {}}}]}
        self.refused({"contents": [text("x"), call, bad]}, field="contents[2].parts[0].functionResponse.id")
        for fields, field in ((self.ask_weather("SOMETIMES"), "toolConfig.functionCallingConfig.mode"),
                              (self.ask_weather("ANY", ["fly"]),
                               "toolConfig.functionCallingConfig.allowedFunctionNames[0]"),
                              ({"tools": [{"functionDeclarations": [WEATHER, WEATHER]}]},
                               "tools[0].functionDeclarations[1].name"),
                              ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]},
                               "tools[0].functionDeclarations[0].name"),
                              (self.ask_weather(generationConfig={"responseMimeType": "text/x.enum"}),
                               "generationConfig.responseMimeType"),
                              (self.ask_weather(generationConfig={
                                  "responseMimeType": "application/json", "responseSchema": {
                                      "type": "ARRAY", "items": {"type": "OBJECT", "properties": {
                                          "name": {"type": "STRING"}}}}}),
                               "generationConfig.responseSchema")):
            self.refused({"contents": [text("x")], **fields}, field=field)

    def test_a_call_or_an_answer_that_holds(self):
        config = {"responseMimeType": "application/json", "maxOutputTokens": 200, "responseJsonSchema": {
            "type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}}
        for part in self.generate(text("Hello!"), config=config,
                                  **self.ask_weather())["candidates"][0]["content"]["parts"]:
            self.assertTrue("functionCall" in part or json.loads(part["text"]) == {"n": 5}, part)


class Refusals(GenAiTest):
    def test_what_cannot_be_done(self):
        for body, field in (
                ({"generationConfig": {"responseModalities": ["AUDIO"]}}, "generationConfig.responseModalities[0]"),
                ({"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
                 "generationConfig.responseModalities[1]"),
                ({"generationConfig": {"speechConfig": {}}}, "generationConfig.speechConfig"),
                ({"generationConfig": {"imageConfig": {}}}, "generationConfig.imageConfig"),
                ({"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
                ({"tools": [{"code_execution": {}}]}, "tools[0].code_execution"),
                ({"cachedContent": "cachedContents/1"}, "cachedContent"),
                ({"contents": [{"parts": [{"fileData": {"fileUri": "https://example.org/x"}}]}]},
                 "contents[0].parts[0].fileData.fileUri"),
                ({"contents": [{"parts": [{"executableCode": {"code": "1"}}]}]},
                 "contents[0].parts[0].executableCode"),
                ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
                ({"contents": [{"parts": [{"text": "a", "inlineData": {}}]}]}, "contents[0].parts[0]"),
                ({"contents": [{"role": "tutor", "parts": [{"text": "a"}]}]}, "contents[0].role"),
                ({"contents": []}, "contents"),
                ({"contents": [{"role": "user", "parts": [{"functionResponse": {"response": {}}}]}]},
                 "contents[0].parts[0].functionResponse.name"),
                ({"contents": [text("x"), text("y", "model")],
                  "generationConfig": {"responseMimeType": "application/json"}}, "contents"),
                ({"contents": None}, "contents"), ({"contents": "x"}, "contents")):
            for path in (MODEL + ":generateContent", MODEL + ":streamGenerateContent?alt=sse"):
                self.refused({"contents": [text("x")], **body}, field=field, path=path)

    def test_J06_J07_fields_of_wrong_type_or_range(self):
        config = {"temperature": (0, 2), "topP": (0, 1), "topK": (0, 2**31 - 1), "maxOutputTokens": (1, 2**63 - 1),
                  "candidateCount": (1, 8), "presencePenalty": (-2, 2), "frequencyPenalty": (-2, 2)}
        for name, (least, most) in config.items():
            path = "generationConfig." + name
            for wrong in ([], {}, "x", True, least - 1, most + 1, -10**30, 10**30, "1e400", ""):
                if wrong in (-10**30, 10**30):  # not an integer of 64 bits: no JSON here
                    status = self.service.post(MODEL + ":generateContent", {
                        "contents": [text("x")], "generationConfig": {name: wrong}})[0]
                    self.assertEqual(status, 400)
                    continue
                if wrong == 2**63:
                    continue
                self.refused({"contents": [text("x")], "generationConfig": {name: wrong}}, field=path)
            for good in (least, most, str(least), None):
                self.generate(text("Hello!"), config={name: good, **({} if name == "maxOutputTokens" else
                                                                      {"maxOutputTokens": 1})})
        wrong_types = {
            "contents": ("x", {}, 1, [1], [{}], [{"parts": "x"}], [{"parts": [{"text": 1}]}]),
            "systemInstruction": ("x", [], {"parts": "x"}, {"parts": [{"inlineData": {"data": ""}}]}),
            "generationConfig": ("x", [], {"stopSequences": [""]}, {"stopSequences": ["x"] * 17},
                                 {"stopSequences": {}}, {"seed": "x"}, {"seed": 0.5}, {"responseLogprobs": 1},
                                 {"logprobs": 3}, {"responseLogprobs": True, "logprobs": 21},
                                 {"mediaResolution": "HUGE"}, {"mediaResolution": 3},
                                 {"thinkingConfig": {"thinkingBudget": "much"}},
                                 {"thinkingConfig": {"thinkingLevel": 1}}, {"responseMimeType": 1},
                                 {"responseModalities": "TEXT"}, {"responseModalities": ["SMELL"]}),
            "tools": ("x", {}, [1], [{"functionDeclarations": {}}], [{"functionDeclarations": [{}]}]),
            "toolConfig": ("x", {"functionCallingConfig": 1}, {"functionCallingConfig": {"mode": 1}}),
            "safetySettings": ("x", {}, [{}], [{"category": 1, "threshold": "x"}]),
            "cachedContent": (1,), "model": (1, [])}
        for name, values in wrong_types.items():
            for value in values:
                message = self.refused({"contents": [text("x")], name: value})
                self.assertTrue(message.startswith(name), message)

    def test_J06_J07_fields_of_other_methods(self):
        """Those of countTokens are those of generateContent, which may also be one of its own."""
        width = json.loads((NANO / "config.json").read_text())["text_config"]["hidden_size"]
        content = text("Hello")
        embed = {
            "content": ((1, "x", [], {}, {"parts": 1}, {"parts": []}, {"parts": [1]}, {"parts": [{}]},
                         {"parts": [{"text": 1}]}, {"parts": [{"text": ""}]}, {"parts": [{"text": "x"}] * 513}, None),
                        ({"parts": [{"text": "x"}] * 512},)),
            "outputDimensionality": ((True, [], {}, "x", "", 0, -1, 0.5, width + 1, 2**62, str(width + 1)),
                                     (1, width, "1", 2.0, None)),
            "autoTruncate": ((1, "true", [], {}), (True, False, None)), "taskType": ((1, True, [], {}), ("X", None)),
            "title": ((1, True, [], {}), ("X", None)), "model": ((1, True, [], {}), ("models/nano", "nano", None))}
        count = {"generateContentRequest": ((1, "x", []), ({"contents": [content]}, None)),
                 "contents": ((1, "x", {}, [], [1], [{}], None), ([content],))}
        batch = {"requests": ((1, "x", {}, [], [1], [{}], [{"content": content}] * 2049, None),
                              ([{"content": content}],))}
        for method, body, fields in (("embedContent", {"content": content}, embed),
                                     ("countTokens", {"contents": [content]}, count),
                                     ("batchEmbedContents", {}, batch)):
            path = MODEL + ":" + method
            for name, (wrong, right) in fields.items():
                for value in wrong:
                    message = self.refused({**body, name: value}, path=path)
                    self.assertTrue(message.startswith(name), (method, name, value, message))
                for value in right:
                    both = name == "generateContentRequest" and value is not None
                    status, _, answer = self.service.post(path, {**({} if both else body), name: value})
                    self.assertEqual(status, 200, (method, name, value, answer))
        for name, (wrong, _) in embed.items():
            for value in wrong:
                message = self.refused({"requests": [{"content": content, name: value}]},
                                       path=MODEL + ":batchEmbedContents")
                self.assertIn(name, message)

    def test_names_and_paths(self):
        self.refused({"contents": [text("x")]}, 404, "NOT_FOUND", path="/v1beta/models/x:generateContent")
        self.refused({"contents": [text("x")], "model": "models/x"}, 404, "NOT_FOUND")
        for path in (MODEL + ":predict", MODEL + ":generateAnswer", "/v1/models/nano:batchGenerateContent",
                     "/v1beta/cachedContents", "/v1beta/interactions", "/v1alpha/auth_tokens"):
            self.refused({}, 404, "NOT_FOUND", path=path)
        self.assertIn("generateContent", self.refused({}, 404, "NOT_FOUND", path=MODEL + ":predict"))
        for name in ("models2/odd%20name:1", "models2%2Fodd%20name%3A1"):
            answer = self.generate(text("Hello!"), path=f"/v1/models/{name}:generateContent")
            self.assertEqual(answer["modelVersion"], "models2/odd name:1")

    def test_who_is_answered_how(self):
        """One path, two dialects: who is Google's client says so in a header or in the query."""
        for headers, query, google in (({}, "", False), ({"x-goog-api-key": "k"}, "", True),
                                       ({"x-goog-api-client": "c"}, "", True), ({}, "?key=k", True)):
            status, _, found = self.service.request("GET", "/v1/models/x" + query, headers=headers)
            error = json.loads(found)["error"]
            self.assertEqual((status, "status" in error, "param" in error), (404, google, not google))


class Embeddings(GenAiTest):
    def test_one_and_many(self):
        """The vectors are those of OpenAI's dialect, which are compared with the reference."""
        texts = ["What is 3 plus 4?", "red apple"]
        wanted = [one["embedding"] for one in self.service.post(
            "/v1/embeddings", {"model": "nano", "input": texts, "encoding_format": "float"})[2]["data"]]
        requests = [{"model": "models/nano", "content": text(one), "taskType": "RETRIEVAL_QUERY"} for one in texts]
        status, _, answer = self.service.post(MODEL + ":batchEmbedContents", {"requests": requests})
        self.assertEqual((status, answer), (200, {"embeddings": [{"values": one} for one in wanted]}))
        status, _, answer = self.service.post(MODEL + ":embedContent", requests[0])
        self.assertEqual((status, answer), (200, {"embedding": {"values": wanted[0]}}))
        short = self.service.post(MODEL + ":embedContent", {**requests[0], "output_dimensionality": "4"})[2]
        self.assertEqual(len(short["embedding"]["values"]), 4)
        for body, field in (({"content": {"parts": [inline("pictures-0069.png")]}}, "content.parts[0]"),
                            ({"content": {"parts": [{"text": ""}]}}, "content"), ({}, "content.parts"),
                            ({**requests[0], "outputDimensionality": 0}, "outputDimensionality"),
                            ({**requests[0], "taskType": 1}, "taskType")):
            self.refused(body, path=MODEL + ":embedContent", field=field)
        self.refused({"requests": [requests[0], {**requests[1], "outputDimensionality": 4}]},
                     path=MODEL + ":batchEmbedContents", field="requests[1]")
        self.refused({"requests": []}, path=MODEL + ":batchEmbedContents", field="requests")
        self.refused({**requests[0], "model": "models/x"}, 404, "NOT_FOUND", path=MODEL + ":embedContent")


class Models(GenAiTest):
    def get(self, path, **headers):
        status, _, found = self.service.request("GET", path, headers=headers)
        self.assertEqual(status, 200, found)
        return json.loads(found)

    def test_list_and_get(self):
        for path, headers in (("/v1beta/models", {}), ("/v1/models", {}),
                              ("/v1/models", {"x-goog-api-key": "k"})):
            listed = self.get(path, **headers)
            self.assertEqual([model["name"] for model in listed["models"]],
                             ["models/nano", "models/models2/odd name:1"])
            self.assertEqual([model["id"] for model in listed["data"]], ["nano", "models2/odd name:1"])
            self.assertNotIn("nextPageToken", listed)
        for path in ("/v1beta/models/nano", "/v1/models/nano"):
            model = self.get(path)
            self.assertEqual((model["name"], model["id"], model["object"]), ("models/nano", "nano", "model"))
            self.assertEqual(model["inputTokenLimit"], 2048)
            self.assertIn("generateContent", model["supportedGenerationMethods"])
            self.assertLessEqual(model["temperature"], model["maxTemperature"])

    def test_pages(self):
        names, token = [], "0"
        while token:
            page = self.get(f"/v1beta/models?pageSize=1&pageToken={token}")
            names += [model["name"] for model in page["models"]]
            token = page.get("nextPageToken")
        self.assertEqual(len(names), 2)
        for query in ("pageSize=x", "pageSize=-1", "pageSize=1001", "pageToken=x", "pageToken=-1"):
            status = self.service.request("GET", "/v1beta/models?" + query)[0]
            self.assertEqual(status, 400, query)


class Files(GenAiTest):
    def start(self, body=None, **headers):
        return self.service.request("POST", "/upload/v1beta/files", json.dumps(body or {}), {
            "X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start",
            "Content-Type": "application/json", **headers})

    def piece(self, url, data, command, offset=0):
        status, headers, body = self.service.request("POST", url, data, {
            "X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)})
        return status, headers.get("X-Goog-Upload-Status"), headers.get("X-Goog-Upload-Size-Received"), body

    def upload(self, data, name=""):
        status, headers, body = self.start({"file": {"displayName": "a label", "mimeType": "x/y", "name": name,
                                                     "sizeBytes": str(len(data))}})
        self.assertEqual((status, headers["X-Goog-Upload-Status"]), (200, "active"), body)
        url = headers["X-Goog-Upload-URL"].removeprefix(self.service.url)
        self.assertTrue(url.startswith("/upload/"), url)
        half = len(data) // 2
        self.assertEqual(self.piece(url, data[:half], "upload")[:3], (200, "active", str(half)))
        self.assertEqual(self.piece(url, b"", "query")[:3], (200, "active", str(half)))
        self.assertEqual(self.piece(url, data[half:], "upload, finalize", half + 1)[0], 400)
        self.assertEqual(self.piece(url, data[half:] + b"x", "upload, finalize", half)[0], 413)
        status, state, _, body = self.piece(url, data[half:], "upload, finalize", half)
        self.assertEqual((status, state), (200, "final"), body)
        self.assertEqual(self.piece(url, b"", "query")[0], 404)
        return json.loads(body)["file"]

    def test_upload_and_use(self):
        for name, prompt, expected in (
                ("pictures-0069.png", "What shape is yellow?", "triangle"),
                ("speech new voices-0001.flac", "Transcribe the following speech segment.", "traz a taça preta")):
            data = (EVAL / name).read_bytes()
            file = self.upload(data)
            self.assertEqual((file["sizeBytes"], file["state"], file["displayName"], file["mimeType"]),
                             (str(len(data)), "ACTIVE", "a label", "x/y"))
            self.assertRegex(file["name"], "^files/[a-z0-9-]{1,40}$")
            for uri in (file["uri"], file["name"]):
                answer = self.generate({"parts": [{"fileData": {"fileUri": uri, "mimeType": "x/y"}},
                                                  {"text": prompt}]})
                self.assertEqual(text_of(answer), expected)
        film = self.upload((EVAL / "film-0158.mp4").read_bytes(), "files/my-film")
        self.assertEqual(film["name"], "files/my-film")
        used = self.generate({"parts": [{"file_data": {"file_uri": film["uri"]},
                                         "video_metadata": {"end_offset": "1s"}}, {"text": "x"}]})
        self.assertIn("IMAGE", str(used["usageMetadata"]))

    def test_list_get_and_delete(self):
        mine = {self.upload(b"not a medium")["name"] for _ in range(3)}
        listed, token = [], "0"
        while token:
            status, _, body = self.service.request("GET", f"/v1beta/files?pageSize=2&pageToken={token}")
            page = json.loads(body)
            listed += [file["name"] for file in page["files"]]
            token = page.get("nextPageToken")
        self.assertLessEqual(mine, set(listed))
        for name in mine:
            self.assertEqual(self.service.request("GET", "/v1beta/" + name)[0], 200)
            self.refused({"contents": [{"parts": [{"fileData": {"fileUri": name}}, {"text": "x"}]}]},
                         field="contents[0].parts[0].fileData.fileUri")
            # v1 is OpenAI's, too: who is Google's client says so.
            status, _, body = self.service.request("DELETE", "/v1/" + name, headers={"x-goog-api-key": "k"})
            self.assertEqual((status, body), (200, b"{}"))
            self.assertEqual(self.service.request("GET", "/v1beta/" + name)[0], 404)
            self.refused({"contents": [{"parts": [{"fileData": {"fileUri": name}}, {"text": "x"}]}]},
                         404, "NOT_FOUND")

    def test_what_is_no_upload(self):
        for headers, body in (({"X-Goog-Upload-Command": "begin"}, {}), ({}, {"file": 1}),
                              ({}, {"file": {"name": "../x"}}), ({}, {"file": {"name": "files/A"}}),
                              ({}, {"file": {"displayName": 1}}),
                              ({"X-Goog-Upload-Header-Content-Length": "-1"}, {}),
                              ({"X-Goog-Upload-Header-Content-Length": "x"}, {})):
            status, _, answer = self.start(body, **headers)
            self.assertEqual((status, json.loads(answer)["error"]["status"]), (400, "INVALID_ARGUMENT"), answer)
        self.assertEqual(self.start({}, **{"X-Goog-Upload-Header-Content-Length": str(2**40)})[0], 413)
        self.assertEqual(self.start({"file": {"displayName": "x" * 70000}})[0], 413)
        self.assertEqual(self.piece("/upload/v1beta/files?upload_id=x", b"", "upload")[0], 404)
        url = self.start()[1]["X-Goog-Upload-URL"].removeprefix(self.service.url)
        self.assertEqual(self.piece(url, b"x", "strange")[0], 400)
        self.assertEqual(self.piece(url, b"", "cancel")[:2], (200, "cancelled"))
        self.assertEqual(self.piece(url, b"", "query")[0], 404)


if __name__ == "__main__":
    unittest.main()
