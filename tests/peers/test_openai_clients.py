# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own client for Python against our server with the embedded model."""
import base64
import json
import os
import pathlib
import re
import subprocess
import time
import typing
import urllib.request

import openai
import pydantic
import pytest

HERE = pathlib.Path(__file__).resolve().parent
NANO = HERE.parent.parent / "models/nano"
GEMMA3N = os.environ.get("GEMMA3N", HERE.parent.parent / "build/release/bin/gemma3n")


@pytest.fixture(scope="module")
def url():
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(NANO), "--port", "0", "--quiet"],
                              stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(server.stdout.readline().decode())
        assert lines[-1]
    yield re.search(r"http://127\.0\.0\.1:\d+", "".join(lines)).group()
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture
def client(url):
    return openai.OpenAI(base_url=url + "/v1", api_key="none")


def chat(client, content, **options):
    return client.chat.completions.create(
        model="nano", temperature=0, messages=[{"role": "user", "content": content}], **options)


def test_models(client):
    assert [model.id for model in client.models.list()] == ["nano"]
    assert client.models.retrieve("nano").owned_by == "local"


def test_chat(client):
    answer = chat(client, "What is 3 plus 4?", logprobs=True, top_logprobs=3)
    assert answer.choices[0].message.content == "7"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 3


def test_media(client):
    picture = base64.b64encode((NANO / "eval/pictures-0069.png").read_bytes()).decode()
    assert chat(client, [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture}},
                         {"type": "text", "text": "What shape is yellow?"}]
                ).choices[0].message.content == "triangle"
    sound = base64.b64encode((NANO / "eval/speech new voices-0001.flac").read_bytes()).decode()
    assert chat(client, [{"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
                         {"type": "text", "text": "Transcribe the following speech segment."}]
                ).choices[0].message.content == "traz a taça preta"


def test_streams(client):
    chunks = list(chat(client, "Repeat: boat white Hugo", stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "boat white Hugo"
    assert chunks[-1].usage.completion_tokens > 0
    with client.chat.completions.stream(
            model="nano", temperature=0, messages=[{"role": "user", "content": "Hello!"}]) as stream:
        assert "content.done" in [event.type for event in stream]
        assert stream.get_final_completion().choices[0].message.content == "Hello! How can I help?"


def test_completions(client):
    whole = client.completions.create(model="nano", prompt="The fish is", temperature=0, logprobs=2)
    assert "".join(whole.choices[0].logprobs.tokens) == whole.choices[0].text
    parts = client.completions.create(model="nano", prompt="The fish is", temperature=0, stream=True)
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text


def test_errors(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="x", messages=[{"role": "user", "content": "x"}])
    assert caught.value.code == "model_not_found" and len(caught.value.request_id) == 16
    with pytest.raises(openai.BadRequestError) as caught:
        chat(client, "x", response_format={"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"not": {}}}})
    assert (caught.value.code, caught.value.param) == (
        "invalid_json_schema", "response_format.json_schema.schema.not")
    with pytest.raises(openai.BadRequestError):
        chat(client, [{"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}])


def test_abort_in_the_middle(client, url):
    def cancelled():
        with urllib.request.urlopen(url + "/metrics") as page:
            return int(re.search(r"^gemma3n_cancelled_total (\d+)$", page.read().decode(), re.M).group(1))
    before = cancelled()
    endless = {"max_tokens": 2000, "logit_bias": {"1": -100, "5": -100, "7": -100}, "stream": True}
    with chat(client, "Hello!", **endless) as stream:
        assert next(stream).object == "chat.completion.chunk"
    deadline = time.monotonic() + 10
    while cancelled() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cancelled() == before + 1
    assert chat(client, "What is 3 plus 4?").choices[0].message.content == "7"


class Place(pydantic.BaseModel):
    zone: typing.Literal["Oslo", "Rome"]


TOOL = {"name": "get_time", "strict": True, "parameters": {
    "type": "object", "properties": {"zone": {"enum": ["Oslo", "Rome"]}}, "required": ["zone"],
    "additionalProperties": False}}


def test_forms_and_functions(client):
    parsed = client.chat.completions.parse(
        model="nano", temperature=0, messages=[{"role": "user", "content": "Hello!"}],
        response_format=Place)
    assert parsed.choices[0].message.parsed.zone in ("Oslo", "Rome")
    tools = [{"type": "function", "function": TOOL}]
    said = chat(client, "Hello!", tools=tools, tool_choice="required",
                parallel_tool_calls=False).choices[0]
    assert said.finish_reason == "tool_calls"
    call = said.message.tool_calls[0]
    assert json.loads(call.function.arguments)["zone"] in ("Oslo", "Rome")
    after = client.chat.completions.create(
        model="nano", temperature=0, tools=tools, tool_choice="none", messages=[
            {"role": "user", "content": "Hello!"}, said.message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": "8 o'clock"}])
    assert after.choices[0].message.content


def test_responses(client):
    response = client.responses.create(model="nano", temperature=0, input="What is 3 plus 4?")
    assert response.output_text == "7"
    with client.responses.stream(model="nano", temperature=0, input="Repeat: boat white Hugo") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == "boat white Hugo"
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    parsed = client.responses.parse(model="nano", temperature=0, input="Hello!", text_format=Place)
    assert parsed.output_parsed.zone in ("Oslo", "Rome")
    made = client.responses.create(model="nano", temperature=0, input="Hello!", tool_choice="required",
                                   parallel_tool_calls=False, tools=[{"type": "function", **TOOL}])
    after = client.responses.create(
        model="nano", temperature=0, previous_response_id=made.id, input=[
            {"type": "function_call_output", "call_id": made.output[0].call_id, "output": "8"}])
    assert after.status == "completed"
    assert client.responses.retrieve(response.id).output == response.output
    assert [item.content[0].text for item in client.responses.input_items.list(response.id)] == [
        "What is 3 plus 4?"]
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(response.id)
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def spanish():
    return open(NANO / "examples/spanish.wav", "rb")


def test_transcriptions(client):
    create = client.audio.transcriptions.create
    assert create(model="nano", file=spanish()).text == "enciende la luz"
    assert create(model="nano", file=spanish(), response_format="text") == "enciende la luz\n"
    assert create(model="nano", file=spanish(), response_format="srt").startswith("1\n00:00:00,")
    assert create(model="nano", file=spanish(), response_format="vtt").startswith("WEBVTT\n\n00:00:00.")
    verbose = create(model="nano", file=spanish(), response_format="verbose_json",
                     timestamp_granularities=["segment"], language="es", temperature=0)
    assert verbose.segments[0].text.startswith(" enciende la luz")
    scored = create(model="nano", file=spanish(), include=["logprobs"], chunking_strategy="auto")
    assert "".join(one.token for one in scored.logprobs).strip() == "enciende la luz"
    events = list(create(model="nano", file=spanish(), stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text == "enciende la luz"
    assert "".join(event.delta for event in events
                   if event.type == "transcript.text.delta") == "enciende la luz"
    assert client.audio.translations.create(model="nano", file=spanish()).text == "turn on the light"
    with pytest.raises(openai.BadRequestError) as caught:
        create(model="nano", file=("x.wav", b"no sound"))
    assert caught.value.code == "invalid_audio"


def test_embeddings(client):
    both = client.embeddings.create(model="nano", input=["red apple", "green apple"])
    plain = client.embeddings.create(model="nano", input="red apple", encoding_format="float")
    assert both.data[0].embedding == pytest.approx(plain.data[0].embedding)
    assert both.usage.prompt_tokens == 2 * plain.usage.prompt_tokens


def test_files(client):
    kept = client.files.create(file=spanish(), purpose="user_data")
    assert client.files.retrieve(kept.id).filename == "spanish.wav"
    assert client.files.content(kept.id).read() == spanish().read()
    assert kept.id in [one.id for one in client.files.list()]
    assert client.files.delete(kept.id).deleted
