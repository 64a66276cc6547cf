# SPDX-License-Identifier: Apache-2.0
"""Ollama's client for Python against our server with the embedded model."""
import json
import os
import pathlib
import re
import subprocess

import ollama
import pytest
from left import gone, is_left

HERE = pathlib.Path(__file__).resolve().parent
NANO = HERE.parent.parent / "models/nano"
GEMMA3N = os.environ.get("GEMMA3N", HERE.parent.parent / "build/release/bin/gemma3n")
GREEDY = {"temperature": 0}


@pytest.fixture(scope="module")
def url():
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(NANO), "--port", "0", "--quiet",
                               "--allow-model-management"], stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(server.stdout.readline().decode())
        assert lines[-1]
    yield re.search(r"http://127\.0\.0\.1:\d+", "".join(lines)).group()
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture(scope="module")
def client(url):
    return ollama.Client(host=url)


def chat(client, content, **options):
    return client.chat(model="nano", options=GREEDY, messages=[{"role": "user", "content": content}], **options)


def test_listings(client):
    assert client.list().models[0].model == "nano:latest"
    assert client.list().models[0].details.family == "gemma3n"
    assert client.ps().models[0].expires_at > client.list().models[0].modified_at
    shown = client.show("nano")
    assert shown.modelinfo["general.architecture"] == "gemma3n"
    assert set(shown.capabilities) >= {"completion", "vision", "tools"}


def test_chat(client):
    answer = chat(client, "What is 3 plus 4?", logprobs=True, top_logprobs=2)
    assert answer.message.content == "7" and answer.done_reason == "stop"
    assert answer.eval_count > 0 and answer.total_duration > 0
    assert len(answer.logprobs[0].top_logprobs) == 2
    parts = list(chat(client, "Repeat: boat white Hugo", stream=True))
    assert "".join(part.message.content for part in parts) == "boat white Hugo"
    assert parts[-1].done and not parts[0].done


def test_generate(client):
    answer = client.generate("nano", "What is 3 plus 4?", options=GREEDY)
    assert answer.response == "7" and len(answer.context) > answer.prompt_eval_count
    parts = client.generate("nano", "Repeat: boat white Hugo", stream=True, options=GREEDY)
    assert "".join(part.response for part in parts) == "boat white Hugo"


def test_media(client):
    picture = NANO / "eval/pictures-0069.png"
    for image in (picture, picture.read_bytes()):  # the client reads files by itself
        answer = client.chat("nano", options=GREEDY, messages=[
            {"role": "user", "content": "What shape is yellow?", "images": [image]}])
        assert answer.message.content == "triangle"
    heard = client.generate("nano", "Transcribe the following speech segment.", options=GREEDY,
                            images=[NANO / "eval/speech new voices-0001.flac"])
    assert heard.response == "traz a taça preta"


def test_format(client):
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}},
              "required": ["n"], "additionalProperties": False}
    assert 1 <= json.loads(chat(client, "Hello!", format=schema).message.content)["n"] <= 9


def test_tools(client):
    def get_weather(city: str) -> str:
        """Weather of a city.

        Args:
          city: its name
        """
        return "rain in " + city
    answer = client.chat("nano", options=GREEDY, tools=[get_weather], messages=[
        {"role": "user", "content": "What is the weather in Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]},
        {"role": "tool", "content": get_weather("Oslo"), "tool_name": "get_weather"}])
    assert answer.message.role == "assistant"


def test_calls(client):
    """With some seeds nano writes a call, with others the form."""
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "enum": ["Oslo", "Lima"]}}, "required": ["city"]}}}
    called = 0
    for seed in range(30):
        asked = {"tools": [tool], "format": {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]},
                 "options": {"temperature": 2, "seed": seed, "num_predict": 60},
                 "messages": [{"role": "user", "content": "What is the weather in Oslo?"}]}
        whole = [call.function for call in client.chat("nano", **asked).message.tool_calls or []]
        streamed = [call.function for part in client.chat("nano", stream=True, **asked)
                    for call in part.message.tool_calls or []]
        assert streamed == whole
        for call in whole:
            assert call.name == "get_weather" and call.arguments["city"] in ("Oslo", "Lima")
        called += len(whole)
        if called:
            break
    assert called


def test_embeddings(client):
    found = client.embed("nano", ["red apple", "green apple"])
    assert len(found.embeddings) == 2
    assert len(client.embeddings("nano", "red apple").embedding) == len(found.embeddings[0])


def test_names(client):
    assert client.create("mario", from_="nano", system="You are Mario.").status == "success"
    client.copy("mario", "luigi")
    assert {model.model for model in client.list().models} == {"nano:latest", "mario:latest", "luigi:latest"}
    for name in ("mario", "luigi"):
        assert client.delete(name).status == "success"


def test_errors(client):
    for call, status, text in ((lambda: client.chat("x"), 404, "not found"),
                               (lambda: client.pull("llama3"), 501, "not supported"),
                               (lambda: list(client.pull("llama3", stream=True)), 501, "not supported"),
                               (lambda: chat(client, "x", think=True), 400, "does not support thinking"),
                               (lambda: chat(client, "x", format={"type": "odd"}), 400, "invalid format")):
        with pytest.raises(ollama.ResponseError) as caught:
            call()
        assert caught.value.status_code == status and text in caught.value.error


def test_a_client_that_leaves(client, url):
    before = gone(url)
    parts = client.generate("nano", "Once there was", stream=True,
                            format={"type": "array", "items": {"type": "integer"}, "minItems": 400},
                            options={"temperature": 2, "num_predict": 1500})
    next(iter(parts))
    parts.close()
    is_left(url, before)
    assert chat(client, "What is 3 plus 4?").message.content == "7"
