# SPDX-License-Identifier: Apache-2.0
"""The server's endpoints that take JSON: the least that each takes, and how its dialect says what all of
them can say. What must hold for every endpoint is tested over this list."""
import dataclasses
import json
from typing import Any, Callable

from service import ServedTest

GENAI = "/v1beta/models/nano:"


def merged(*bodies):
    """Later fields over earlier ones; objects in objects are merged, too."""
    result = {}
    for body in bodies:
        for name, value in body.items():
            both = isinstance(value, dict) and isinstance(result.get(name), dict)
            result[name] = merged(result[name], value) if both else value
    return result


def at(path, value):
    """{"a": {"b": value}} for "a.b"."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def error_of(answer):
    """The message, whose first words are the field's path in every dialect."""
    error = answer["error"]
    return (error if isinstance(error, str) else error["message"]).removeprefix("invalid request: ")


@dataclasses.dataclass(frozen=True)
class Endpoint:
    path: str
    body: dict
    say: Callable = None            # text -> fields by which somebody says it
    prompt_tokens: Callable = None  # good answer -> number of tokens it was
    model: str = "model"            # where the model's name stands; empty: in the path alone
    number: str = ""                # where an integer stands

    def with_(self, *more):
        return merged(self.body, *more)


@dataclasses.dataclass(frozen=True)
class Answering(Endpoint):
    """One whose answer is the model's text."""
    text: Callable = None        # answer -> what the model said
    was_cut: Callable = None     # answer -> whether the number of tokens ended it
    settings: dict = dataclasses.field(default_factory=dict)  # our names of settings -> paths of fields
    stream: tuple = ()           # (path, fields) of the same answer as a stream
    piece: Callable = None       # one object of the stream -> the text that it brings
    hold: Callable = None        # JSON schema -> fields that hold the answer to it
    schema_at: str = ""          # the path of that schema
    converse: Callable = None    # [(role, text)] -> fields; roles: system, user, assistant
    call: Callable = None        # functions as OpenAI declares them -> fields that offer them
    functions_at: str = ""       # the path of the first function
    result: Callable = None      # (id of a call, text) -> fields: call "c1" of "f", then the result of that id

    def set(self, **values):
        return merged(*(at(self.settings[name], value) for name, value in values.items()))

    def pieces(self, service, body):
        """What a stream brings, each object read as the JSON it must be."""
        path, fields = self.stream
        status, headers, found = service.request("POST", path, json.dumps(merged(body, fields)))
        assert status == 200, found
        lines = found.decode().splitlines()  # strictly: a stream is UTF-8 in all its parts
        if headers["Content-Type"].startswith("text/event-stream"):
            lines = [line[6:] for line in lines if line.startswith("data: ") and line != "data: [DONE]"]
        return [self.piece(json.loads(line)) or "" for line in lines]


def _messages(turns):
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def _nested(functions):
    return {"tools": [{"type": "function", "function": function} for function in functions]}


def _tool_call(function):
    return {"role": "assistant", "content": "", "tool_calls": [
        {"id": "c1", "type": "function", "function": function}]}


def _contents(turns):
    fields = {"contents": [{"role": {"assistant": "model"}.get(role, role), "parts": [{"text": text}]}
                           for role, text in turns if role != "system"]}
    system = "\n\n".join(text for role, text in turns if role == "system")
    return merged(fields, {"systemInstruction": {"parts": [{"text": system}]}} if system else {})


def _parts(answer):
    return "".join(part.get("text", "") for part in answer["candidates"][0]["content"]["parts"])


def _generate(method, stream=()):
    return Answering(
        GENAI + method, _contents([("user", "Hello!")]), model="model",
        say=lambda text: _contents([("user", text)]), number="generationConfig.topK",
        prompt_tokens=lambda answer: answer["usageMetadata"]["promptTokenCount"], text=_parts,
        was_cut=lambda answer: answer["candidates"][0]["finishReason"] == "MAX_TOKENS",
        settings={ours: "generationConfig." + theirs for ours, theirs in (
            ("most", "maxOutputTokens"), ("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"),
            ("n", "candidateCount"), ("stop", "stopSequences"), ("seed", "seed"))},
        stream=(GENAI + "streamGenerateContent?alt=sse", {}), piece=_parts,
        hold=lambda schema: {"generationConfig": {"responseMimeType": "application/json",
                                                  "responseJsonSchema": schema}},
        schema_at="generationConfig.responseJsonSchema", converse=_contents,
        call=lambda functions: {"tools": [{"functionDeclarations": [
            {("parametersJsonSchema" if name == "parameters" else name): value
             for name, value in function.items()} for function in functions]}]},
        functions_at="tools[0].functionDeclarations[0]",
        result=lambda id, text: {"contents": [
            {"role": "user", "parts": [{"text": "x"}]},
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": id, "name": "f",
                                                             "response": {"output": text}}}]}]})


def _ollama_settings():
    return {ours: "options." + theirs for ours, theirs in (
        ("most", "num_predict"), ("temperature", "temperature"), ("top_p", "top_p"), ("top_k", "top_k"),
        ("stop", "stop"), ("seed", "seed"))}


CHAT = Answering(
    "/v1/chat/completions", _messages([("user", "Hello!")]), number="max_tokens",
    say=lambda text: _messages([("user", text)]),
    prompt_tokens=lambda answer: answer["usage"]["prompt_tokens"],
    text=lambda answer: answer["choices"][0]["message"]["content"],
    was_cut=lambda answer: answer["choices"][0]["finish_reason"] == "length",
    settings={"most": "max_completion_tokens", "temperature": "temperature", "top_p": "top_p",
              "top_k": "top_k", "n": "n", "stop": "stop", "seed": "seed", "bias": "logit_bias"},
    stream=("/v1/chat/completions", {"stream": True}),
    piece=lambda chunk: chunk["choices"][0]["delta"].get("content"),
    hold=lambda schema: {"response_format": {"type": "json_schema",
                                             "json_schema": {"name": "it", "schema": schema}}},
    schema_at="response_format.json_schema.schema", converse=_messages, call=_nested,
    functions_at="tools[0].function",
    result=lambda id, text: {"messages": [
        {"role": "user", "content": "x"}, _tool_call({"name": "f", "arguments": "{}"}),
        {"role": "tool", "tool_call_id": id, "content": text}]})

COMPLETIONS = Answering(
    "/v1/completions", {"prompt": "Hello"}, say=lambda text: {"prompt": text}, number="max_tokens",
    prompt_tokens=CHAT.prompt_tokens, text=lambda answer: answer["choices"][0]["text"],
    was_cut=CHAT.was_cut, settings={**CHAT.settings, "most": "max_tokens"},
    stream=("/v1/completions", {"stream": True}), piece=lambda chunk: chunk["choices"][0]["text"])

RESPONSES = Answering(
    "/v1/responses", {"input": "Hello!", "store": False}, say=lambda text: {"input": text},
    number="max_output_tokens", prompt_tokens=lambda answer: answer["usage"]["input_tokens"],
    text=lambda answer: "".join(part["text"] for item in answer["output"] for part in item["content"]),
    was_cut=lambda answer: answer["status"] == "incomplete",
    settings={ours: theirs for ours, theirs in (*CHAT.settings.items(), ("most", "max_output_tokens"))
              if ours != "n"},
    stream=("/v1/responses", {"stream": True}),
    piece=lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
    hold=lambda schema: {"text": {"format": {"type": "json_schema", "name": "it", "schema": schema}}},
    schema_at="text.format.schema",
    converse=lambda turns: {"input": [{"role": role, "content": text} for role, text in turns]},
    call=lambda functions: {"tools": [{"type": "function", **function} for function in functions]},
    functions_at="tools[0]",
    result=lambda id, text: {"input": [
        {"role": "user", "content": "x"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": id, "output": text}]})

OLLAMA_CHAT = Answering(
    "/api/chat", {"model": "nano", "stream": False, **CHAT.body}, say=CHAT.say, number="options.top_k",
    prompt_tokens=lambda answer: answer["prompt_eval_count"],
    text=lambda answer: answer["message"]["content"],
    was_cut=lambda answer: answer["done_reason"] == "length", settings=_ollama_settings(),
    stream=("/api/chat", {"stream": True}), piece=lambda line: line["message"]["content"],
    hold=lambda schema: {"format": schema}, schema_at="format", converse=_messages, call=_nested,
    functions_at="tools[0].function",
    result=lambda id, text: {"messages": [
        {"role": "user", "content": "x"}, _tool_call({"name": "f", "arguments": {}}),
        {"role": "tool", "tool_call_id": id, "content": text}]})

OLLAMA_GENERATE = dataclasses.replace(
    OLLAMA_CHAT, path="/api/generate", body={"model": "nano", "stream": False, "prompt": "Hello!"},
    say=lambda text: {"prompt": text}, text=lambda answer: answer["response"],
    stream=("/api/generate", {"stream": True}), piece=lambda line: line["response"], converse=None,
    call=None, result=None)

GENERATE = _generate("generateContent")

ANSWERING = (CHAT, COMPLETIONS, RESPONSES, OLLAMA_CHAT, OLLAMA_GENERATE, GENERATE)
CONVERSING = tuple(one for one in ANSWERING if one.converse)

_EMBED = {"content": {"parts": [{"text": "Hello"}]}}
OTHERS = (
    Endpoint("/v1/embeddings", {"input": "Hello"}, lambda text: {"input": text}, CHAT.prompt_tokens,
             number="dimensions"),
    Endpoint("/api/embed", {"model": "nano", "input": "Hello"}, lambda text: {"input": text},
             OLLAMA_CHAT.prompt_tokens, number="dimensions"),
    Endpoint("/api/embeddings", {"model": "nano", "prompt": "Hello"}, lambda text: {"prompt": text},
             number="options.top_k"),
    Endpoint(GENAI + "countTokens", GENERATE.body, GENERATE.say, lambda answer: answer["totalTokens"],
             number="generationConfig.topK"),
    Endpoint(GENAI + "embedContent", _EMBED, lambda text: {"content": {"parts": [{"text": text}]}},
             number="outputDimensionality"),
    Endpoint(GENAI + "batchEmbedContents", {"requests": [_EMBED]},
             lambda text: {"requests": [{"content": {"parts": [{"text": text}]}}]}, model=""),
    Endpoint("/api/show", {"model": "nano"}),
    Endpoint("/tokenize", {"content": "Hello"}, lambda text: {"content": text},
             lambda answer: len(answer["tokens"])),
    Endpoint("/detokenize", {"tokens": [2]}),
    Endpoint("/page/count", CHAT.body, CHAT.say, lambda answer: answer["tokens"], number="max_tokens"),
    Endpoint("/v1/realtime/client_secrets", {"session": {"type": "realtime"}}, model="",
             number="expires_after.seconds"))

ALL = (*ANSWERING, *OTHERS)


class EndpointTest(ServedTest):
    def good(self, one, *more):
        """What the endpoint answers to its least body with these fields."""
        status, _, answer = self.service.post(one.path, one.with_(*more))
        self.assertEqual(status, 200, (one.path, str(more)[:300], answer))
        return answer
