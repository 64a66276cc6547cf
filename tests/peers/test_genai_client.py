# SPDX-License-Identifier: Apache-2.0
"""Google's GenAI client for Python against our server with the embedded model, which knows its key."""
import json
import os
import pathlib
import re
import subprocess

import pytest
from google import genai
from google.genai import errors, types
from left import gone, is_left

HERE = pathlib.Path(__file__).resolve().parent
NANO = HERE.parent.parent / "models/nano"
GEMMA3N = os.environ.get("GEMMA3N", HERE.parent.parent / "build/release/bin/gemma3n")


KEY = "a-key-of-the-client"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(KEY + "\n")
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(NANO), "--port", "0", "--quiet",
                               "--api-key-file", str(keys)], stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(server.stdout.readline().decode())
        assert lines[-1]
    yield re.search(r"http://127\.0\.0\.1:\d+", "".join(lines)).group()
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture(scope="module")
def client(url):
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))


def generate(client, contents, **config):
    return client.models.generate_content(model="nano", contents=contents,
                                          config={"temperature": 0, **config})


def part(name, kind):
    return types.Part.from_bytes(data=(NANO / "eval" / name).read_bytes(), mime_type=kind)


def test_models(client):
    assert [model.name for model in client.models.list()] == ["models/nano"]
    assert client.models.get(model="nano").input_token_limit > 0


def test_generate(client):
    answer = generate(client, "What is 3 plus 4?", system_instruction="Answer briefly.", top_k=40,
                      safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}])
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert generate(client, "What is 3 plus 4?").text == "7"
    assert len(generate(client, "Hello!", candidate_count=2).candidates) == 2
    logprobs = generate(client, "Hello!", response_logprobs=True, logprobs=2).candidates[0].logprobs_result
    assert len(logprobs.top_candidates[0].candidates) == 2


def test_stream(client):
    chunks = list(client.models.generate_content_stream(
        model="nano", contents="Repeat: boat white Hugo", config={"temperature": 0}))
    assert "".join(chunk.text or "" for chunk in chunks) == "boat white Hugo"
    assert chunks[-1].usage_metadata.candidates_token_count > 0


def test_count(client):
    counted = client.models.count_tokens(model="nano", contents="What is 3 plus 4?")
    assert counted.total_tokens == generate(client, "What is 3 plus 4?").usage_metadata.prompt_token_count


def test_media(client):
    assert generate(client, [part("pictures-0069.png", "image/png"), "What shape is yellow?"]).text == "triangle"
    assert generate(client, [part("speech new voices-0001.flac", "audio/flac"),
                             "Transcribe the following speech segment."]).text == "traz a taça preta"
    film = types.Part(inline_data=types.Blob(data=(NANO / "eval/film-0158.mp4").read_bytes(), mime_type="video/mp4"),
                      video_metadata=types.VideoMetadata(start_offset="0s", end_offset="1s", fps=1))
    assert generate(client, [film, "What is in the last picture?"]).text is not None


def test_files(client):
    file = client.files.upload(file=NANO / "eval/pictures-0069.png", config={"display_name": "shapes"})
    assert file.state == types.FileState.ACTIVE and file.display_name == "shapes"
    assert client.files.get(name=file.name).uri == file.uri
    assert generate(client, [file, "What shape is yellow?"]).text == "triangle"
    assert [one.name for one in client.files.list()] == [file.name]
    client.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as caught:
        client.files.get(name=file.name)
    assert caught.value.code == 404


def test_embeddings(client):
    found = client.models.embed_content(model="nano", contents=["red apple", "green apple"],
                                        config={"output_dimensionality": 8})
    assert [len(one.values) for one in found.embeddings] == [8, 8]


def test_schemas(client):
    import pydantic

    class Answer(pydantic.BaseModel):
        b: bool
        a: int
    answer = generate(client, "Hello!", response_mime_type="application/json", response_schema=Answer)
    assert isinstance(answer.parsed, Answer) and list(json.loads(answer.text)) == ["b", "a"]
    answer = generate(client, "Hello!", response_mime_type="application/json", response_json_schema={
        "type": "object", "properties": {"n": {"const": 5}}, "required": ["n"], "additionalProperties": False})
    assert json.loads(answer.text) == {"n": 5}
    assert generate(client, "Which way?", response_mime_type="text/x.enum", response_schema={
        "type": "STRING", "enum": ["left", "right"]}).text in ("left", "right")


def test_functions(client):
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(
        name="get_weather", description="Weather of a city", parameters=types.Schema(
            type=types.Type.OBJECT, required=["city"],
            properties={"city": types.Schema(type=types.Type.STRING, max_length=12)}))])
    answer = generate(client, "What is the weather in Oslo?", tools=[tool], max_output_tokens=200,
                      tool_config={"function_calling_config": {
                          "mode": "ANY", "allowed_function_names": ["get_weather"]}})
    call = answer.function_calls[0]
    assert call.name == "get_weather" and isinstance(call.args["city"], str)
    after = generate(client, [
        types.Content(role="user", parts=[types.Part(text="What is the weather in Oslo?")]),
        answer.candidates[0].content,
        types.Content(role="tool", parts=[types.Part.from_function_response(
            name="get_weather", response={"output": "rain"})])], tools=[tool], max_output_tokens=5)
    assert after.candidates[0].content.role == "model"


def test_a_chat_with_streamed_calls(client):
    """The client keeps each piece as a content of its own, and sends them so."""
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="get_time")])
    chat = client.chats.create(model="nano", config={
        "temperature": 2, "seed": 1, "max_output_tokens": 60, "tools": [tool],
        "automatic_function_calling": {"disable": True}, "tool_config": {"function_calling_config": {"mode": "ANY"}}})
    calls = [call for chunk in chat.send_message_stream("What is the time?") for call in chunk.function_calls or []]
    assert calls
    results = [types.Part(function_response=types.FunctionResponse(
        id=call.id, name=call.name, response={"output": "12:00"})) for call in calls]
    assert list(chat.send_message_stream(results))


def test_chat(client):
    chat = client.chats.create(model="nano", config={"temperature": 0})
    assert chat.send_message("Hello!").text
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("What is 3 plus 4?"))
    assert chat.send_message("What is 3 plus 4?").text


def test_errors(client):
    for fields, status, text in (({"model": "x"}, 404, "NOT_FOUND"),
                                 ({"config": {"temperature": 9}}, 400, "generationConfig.temperature"),
                                 ({"config": {"response_modalities": ["AUDIO"]}}, 400, "text alone"),
                                 ({"config": {"tools": [{"google_search": {}}]}}, 400, "only functions")):
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(**{"model": "nano", "contents": "x", **fields})
        assert caught.value.code == status and text in str(caught.value)


def test_a_client_that_leaves(client, url):
    before = gone(url, KEY)
    stream = client.models.generate_content_stream(model="nano", contents="Once there was", config={
        "temperature": 2, "max_output_tokens": 1500, "response_mime_type": "application/json",
        "response_json_schema": {"type": "array", "items": {"type": "integer"}, "minItems": 400}})
    next(iter(stream))
    stream.close()
    is_left(url, before, KEY)
    assert generate(client, "What is 3 plus 4?").text == "7"
