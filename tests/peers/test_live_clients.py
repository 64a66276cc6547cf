# SPDX-License-Identifier: Apache-2.0
"""OpenAI's and Google's clients for Python in live sessions, over TLS with our own certificate."""
import asyncio
import base64
import os
import pathlib
import subprocess
import wave

import numpy as np
import openai
import pytest
import websockets
from google import genai
from google.genai import errors

HERE = pathlib.Path(__file__).resolve().parent
NANO = HERE.parent.parent / "models/nano"
GEMMA3N = os.environ.get("GEMMA3N", HERE.parent.parent / "build/release/bin/gemma3n")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(NANO), "--port", "0", "--quiet", "--tls",
                               "--state-directory", str(state)], stdout=subprocess.PIPE)
    lines = []
    while not lines or not lines[-1].startswith("Ctrl-C"):
        lines.append(server.stdout.readline().decode())
        assert lines[-1]
    os.environ["SSL_CERT_FILE"] = str(state / "certificate.pem")
    yield lines[1].split()[1].removesuffix("/")
    del os.environ["SSL_CERT_FILE"]
    server.terminate()
    assert server.wait(30) == 0


def spoken(rate):
    """What somebody says, between silences."""
    with wave.open(str(NANO / "examples/spanish.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    count = len(samples) * rate // 16000
    said = np.interp(np.arange(count) * 16000 / rate, np.arange(len(samples)), samples)
    return np.concatenate([np.zeros(rate), said, np.zeros(rate)]).astype("<i2").tobytes()


def test_openai(url):
    client = openai.OpenAI(base_url=url + "/v1", api_key="none")
    with client.realtime.connect(model="nano") as connection:
        def until(kind):
            for event in connection:
                assert event.type != "error", event
                if event.type == kind:
                    return event
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"], "audio": {
            "input": {"transcription": {"model": "whisper-1"}}}})
        assert until("session.updated").session.output_modalities == ["text"]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is 3 plus 4?"}]})
        connection.response.create()
        assert until("response.output_text.done").text
        assert until("response.done").response.status == "completed"
        sound = spoken(24000)
        for at in range(0, len(sound), 9600):
            connection.input_audio_buffer.append(audio=base64.b64encode(sound[at:at + 9600]).decode())
        assert until("input_audio_buffer.speech_started").audio_start_ms > 0
        assert until("conversation.item.input_audio_transcription.completed").transcript


def test_genai(url):
    async def talk():
        client = genai.Client(api_key="none", http_options={"base_url": url})
        config = {"response_modalities": ["TEXT"], "temperature": 0, "input_audio_transcription": {},
                  "system_instruction": "Answer briefly."}
        async with client.aio.live.connect(model="nano", config=config) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "What is 3 plus 4?"}]})
            text = "".join([message.text or "" async for message in session.receive()])
            assert text
            await session.send_realtime_input(audio={"data": spoken(16000), "mime_type": "audio/pcm;rate=16000"})
            heard = [message.server_content.input_transcription async for message in session.receive()
                     if message.server_content and message.server_content.input_transcription]
            await session.send_realtime_input(text="Hello!")
            heard += [message.server_content.input_transcription async for message in session.receive()
                      if message.server_content and message.server_content.input_transcription]
            assert heard[0].text
            picture = {"inline_data": {"data": (NANO / "eval/pictures-0069.png").read_bytes(), "mime_type": "image/png"}}
            await session.send_client_content(turns={"role": "user", "parts": [picture, {"text": "What shape is yellow?"}]})
            assert "".join([message.text or "" async for message in session.receive()]) == "triangle"
    asyncio.run(talk())


def test_genai_goes_on_in_another_session(url):
    async def talk():
        client, counts, handle = genai.Client(api_key="none", http_options={"base_url": url}), [], None
        for question in ("What is 3 plus 4?", "What is 5 plus 1?"):
            config = {"response_modalities": ["TEXT"], "temperature": 0, "session_resumption": {"handle": handle}}
            async with client.aio.live.connect(model="nano", config=config) as session:
                await session.send_client_content(turns={"role": "user", "parts": [{"text": question}]})
                counts += [message.usage_metadata.prompt_token_count async for message in session.receive()
                           if message.usage_metadata]
                async for message in session.receive():
                    if message.session_resumption_update:
                        handle = message.session_resumption_update.new_handle
                        break
        assert handle and counts[1] > counts[0]
    asyncio.run(talk())


def test_genai_functions(url):
    """With some seeds nano writes a call, with others the form."""
    tool = {"function_declarations": [{"name": "get_time", "parameters": {
        "type": "OBJECT", "required": ["zone"], "properties": {"zone": {"type": "STRING", "max_length": 12}}}}]}
    form = {"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]}

    async def talk(client, seed):
        calls = 0
        config = {"tools": [tool], "generation_config": {
            "response_modalities": ["TEXT"], "temperature": 2, "seed": seed, "max_output_tokens": 60,
            "response_mime_type": "application/json", "response_json_schema": form}}
        async with client.aio.live.connect(model="nano", config=config) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "What is the time?"}]})
            async for message in session.receive():
                if not message.tool_call or calls > 8:
                    continue
                for call in message.tool_call.function_calls:
                    assert call.name == "get_time" and isinstance(call.args["zone"], str)
                    calls += 1
                await session.send_tool_response(function_responses=[
                    {"id": call.id, "name": call.name, "response": {"output": "12:00"}}
                    for call in message.tool_call.function_calls])
        return calls

    async def some():
        client = genai.Client(api_key="none", http_options={"base_url": url})
        for seed in range(60):
            if await talk(client, seed):
                return True
        return False
    assert asyncio.run(some())


def test_genai_errors(url):
    async def talk(config, model="nano"):
        client = genai.Client(api_key="none", http_options={"base_url": url})
        async with client.aio.live.connect(model=model, config=config):
            pass
    for config, model, code, text in (({"response_modalities": ["AUDIO"]}, "nano", 1007, "TEXT"),
                                      ({"response_modalities": ["TEXT"]}, "x", 1008, "not served"),
                                      ({"response_modalities": ["TEXT"], "temperature": 9}, "nano", 1007, "temperature")):
        with pytest.raises((errors.APIError, websockets.ConnectionClosed)) as caught:
            asyncio.run(talk(config, model))
        assert str(code) in str(caught.value) and text in str(caught.value)
