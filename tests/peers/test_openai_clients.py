# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own clients, for JavaScript and for Python, against our server with the embedded model."""
import base64
import os
import pathlib
import subprocess

import openai
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
    yield lines[1].split()[0].removesuffix("/v1")
    server.terminate()
    assert server.wait(30) == 0


@pytest.fixture
def client(url):
    return openai.OpenAI(base_url=url + "/v1", api_key="none")


def chat(client, content, **options):
    return client.chat.completions.create(
        model="nano", temperature=0, messages=[{"role": "user", "content": content}], **options)


def test_javascript(url):
    done = subprocess.run(["node", str(HERE / "openai_client.mjs"), url, str(NANO)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


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
        chat(client, "x", response_format={"type": "json_object"})
    assert (caught.value.code, caught.value.param) == ("unsupported_value", "response_format.type")
    with pytest.raises(openai.BadRequestError):
        chat(client, [{"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}])
