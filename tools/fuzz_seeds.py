#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs that fuzz targets begin with: fuzz_seeds.py BIN DIRECTORY makes a folder for each."""
import base64
import json
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).parent.parent / "tests" / "reference"
sys.path.insert(0, str(TESTS))
import sample_media  # noqa: E402

USER = {"role": "user", "content": "x"}
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["b"]}, "c": {"type": "integer",
          "minimum": 0}}, "required": ["a"], "additionalProperties": False}
FUNCTION = {"name": "f", "strict": True, "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DECLARATION = {"functionDeclarations": [{"name": "f", "parameters": {
    "type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}},
    "propertyOrdering": ["a"]}}]}


def form(content, name, value):
    """A file, and a field beside it, behind the boundary b."""
    head = '--b\r\nContent-Disposition: form-data; name="%s"'
    return ((head % "file" + '; filename="x.wav"\r\n\r\n').encode() + content + b"\r\n" +
            (head % name + "\r\n\r\n" + value + "\r\n--b--\r\n").encode())


def one_line(value):
    return json.dumps(value, separators=(",", ":"))


def lines(*values):
    return "\n".join(map(one_line, values))


def model_files(binaries, folder, put):
    """Small models of each kind of file; of a packed one its header and what follows."""
    model, packed = folder / "model", folder / "packed"
    for command in (["synth", "--like", "tiny", "--out", model],
                    ["quantize", model, "-o", packed, "--recipe", "q8", "--quiet"]):
        subprocess.run([binaries / "gemma3n", *command], check=True)
    put("packed_file", packed.read_bytes()[:90000])
    put("safetensors", (model / "model.safetensors").read_bytes()[:20000])
    put("config", (model / "config.json").read_bytes())
    put("tokenizer_json", (model / "tokenizer.json").read_bytes())
    # So small that a mutation often meets what matters.
    (folder / "gguf").mkdir()
    subprocess.run([sys.executable, TESTS / "tiny_gguf.py", folder / "gguf"], check=True)


def bytes_of_http(put):
    put("http_request", "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        "GET /ab HTTP/1.1\r\nHost: x\r\n\r\n")
    put("http_request", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n")
    put("http_request", "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x82abcd\x09\x08\x80\x81abcd\x0a")
    put("ws_frames", b"\5\x81\x85abcd\x09\x07\x0f\x08\x0e\x89\x80abcd\x88\x82abcd\x62\x8a")
    put("multipart", b"\7" + form(b"RIFF", "model", "nano"))
    put("multipart", '\1multipart/form-data; boundary="b c"; x=y')
    put("base64", "aGVsbG8gd29ybGQ=")


def askers(put):
    put("access", "key=key&access_token=x\nHost: LocalHost:80\nOrigin: http://localhost:80\n"
        "Content-Type: application/json; charset=utf-8\nAuthorization: Bearer key\n"
        "Cookie: a=b; gemma3n_session=c")
    put("access", "\nHost: [::1]:80\nOrigin: https://a.example\nx-goog-api-key: other\n"
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.key\nCookie: gemma3n_session=x")


def texts(put):
    call = '{"name": "f", "parameters": {"a": "}\\"", "b": {}}}'
    put("tool_calls", "\3[" + call + ", " + call + "]")
    put("tool_calls", '\1[ {"nam')
    put("detokenize", bytes(range(256)))
    put("chat_template", b"\3Be brief.\xffHello <start_of_turn>\xfe\xfd\xfe<image_soft_token>"
        b"\xfffine \xfe\xfc")
    put("chat_template", b"\0<bos> <end_of_turn>\n<start_of_turn>model\n\xff<audio_soft_token>")
    put("subtitle_writer", bytes(8) + b"\0\0\0\0\0\0\xf0?" + b"a --> b\n\n2 <i>&\0c")
    put("line_editor", b"\0a\nb\r\n\n'c d'")
    put("line_editor", b"\1ab\x1b[D\x1b[200~c\nd\x1b[201~\x1b\r\xc3\xa9\r\x07\r\x1b[A\x12a\r")


def constraints(put):
    put("schema_compile", one_line(SCHEMA))
    put("schema_compile", one_line({"$defs": {"t": {"type": ["string", "null"], "minLength": 1,
        "pattern": "^a+$"}}, "anyOf": [{"$ref": "#/$defs/t"}, {"type": "array", "items":
        {"$ref": "#"}, "maxItems": 3}, {"type": "number", "minimum": 0, "multipleOf": 0.5}]}))
    put("pattern_compile", "^(ab|c[^d-f]*){2,3}\\d+?$\nabab1")
    put("constraint_step", bytes(range(64)))


def requests(put, picture, sound):
    put("request_json", one_line({"messages": [USER], "temperature": 0.5, "seed": -1}))
    put("openai_chat", one_line({
        "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": picture}},
            {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "8"}],
        "tools": [TOOL], "tool_choice": "auto", "logprobs": True, "top_logprobs": 2, "stop": ["x"],
        "logit_bias": {"5": 1}, "n": 2}))
    put("openai_chat", one_line({
        "messages": [USER], "functions": [{"name": "f"}], "response_format":
        {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}))
    put("openai_completions", one_line({"prompt": [[2, 5], [7]], "echo": True, "logprobs": 1,
                                        "max_tokens": 0, "best_of": 2}))
    put("openai_responses", one_line({"input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "8"}],
        "tools": [{"type": "function", "name": "f"}], "text": {"format": {"type": "json_object"}},
        "truncation": "auto", "metadata": {"a": "b"}}))
    put("ollama_requests", "0" + one_line({"model": "nano", "messages": [
        {**USER, "images": [picture.split(",")[1]]}, {"role": "assistant", "content": "",
         "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "8", "tool_call_id": "1"}], "tools": [TOOL],
        "options": {"top_k": 3, "stop": ["x"]}, "keep_alive": "1h30m"}))
    put("ollama_requests", "1" + one_line({"model": "nano", "prompt": "x", "system": "y",
                                           "context": [2, 5], "format": SCHEMA}))
    put("ollama_requests", "2" + one_line({"model": "a", "modelfile": 'FROM nano\nSYSTEM """x"""\n'
                                           'PARAMETER stop "y"\nPARAMETER top_k 3'}))
    put("genai_content", one_line({"contents": [
        {"role": "user", "parts": [{"text": "x"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {}}}]},
        {"parts": [{"functionResponse": {"id": "1", "name": "f", "response": {}}}]}],
        "tools": [DECLARATION], "tool_config": {"function_calling_config": {
            "mode": "ANY", "allowed_function_names": ["f"]}},
        "generationConfig": {"topK": "3", "responseMimeType": "text/plain"}}))


def routes(put, recording):
    """A request to each path that the targets above do not reach, and to some that answer."""
    def ask(line, body=b"", fields=""):
        data = body if isinstance(body, bytes) else one_line(body).encode()
        put("routes", (line + "\n" + fields + "\n").encode() + data)
    ask("POST /v1/embeddings", {"input": ["x", "y"], "dimensions": 8, "encoding_format": "base64"})
    ask("POST /api/embed", {"model": "nano", "input": ["x"], "truncate": True})
    ask("POST /api/embeddings", {"model": "nano", "prompt": "x"})
    ask("POST /v1beta/models/nano:embedContent", {"content": {"parts": [{"text": "x"}]},
                                                  "outputDimensionality": 4})
    ask("POST /v1beta/models/nano:batchEmbedContents",
        {"requests": [{"model": "models/nano", "content": {"parts": [{"text": "x"}]}}]})
    ask("POST /tokenize", {"content": "x y", "with_pieces": True})
    ask("POST /detokenize", {"tokens": [5, 6]})
    is_form = "Content-Type: multipart/form-data; boundary=b\n"
    for name, value in (("chunking_strategy", '{"type":"server_vad","threshold":0.5}'),
                        ("response_format", "verbose_json"), ("language", "es"),
                        ("timestamp_granularities[]", "segment"), ("keywords[]", "y")):
        ask("POST /v1/audio/transcriptions", form(recording, name, value), is_form)
    ask("POST /v1/audio/translations", form(recording, "temperature", "0.5"), is_form)
    ask("POST /v1/files", form(recording, "purpose", "user_data"), is_form)
    ask("GET /v1/files")
    ask("POST /upload/v1beta/files", {"file": {"name": "files/a", "displayName": "x"}},
        "Host: x\nX-Goog-Upload-Command: start\n")
    ask("GET /v1beta/files?pageSize=1")
    ask("GET /v1beta/models?pageSize=1&pageToken=1")
    ask("POST /v1beta/models/nano:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "x"}]}]})
    ask("POST /v1/chat/completions", {"messages": [USER], "stream": True, "max_tokens": 2})
    ask("POST /v1/responses", {"input": "x", "max_output_tokens": 2, "stream": True})
    ask("GET /v1/responses/resp_1/input_items?limit=2&order=asc")
    ask("POST /api/chat", {"model": "nano", "messages": [USER], "options": {"num_predict": 2}})
    ask("POST /api/show", {"model": "nano"})
    ask("POST /api/copy", {"source": "nano", "destination": "a"})
    ask("POST /v1/realtime/client_secrets", {"expires_after": {"anchor": "created_at",
        "seconds": 60}, "session": {"type": "realtime", "instructions": "x"}})
    ask("POST /v1/realtime/sessions", {"modalities": ["text"], "turn_detection": None})
    ask("POST /page/count", {"messages": [USER]})


def conversations(put, picture, sound):
    """Events of clients over a WebSocket; an empty line waits for the answer."""
    said = {"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": picture}]}
    put("openai_realtime", "0" + lines(
        {"type": "session.update", "session": {
            "type": "realtime", "instructions": "x", "output_modalities": ["text"],
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}, "transcription":
                      {"model": "nano", "language": "en"}, "turn_detection":
                      {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 1000}}},
            "tools": [{"type": "function", **FUNCTION}], "tool_choice": "auto",
            "max_output_tokens": 2, "truncation": "auto"}},
        {"type": "conversation.item.create", "item": {"id": "a", **said}},
        {"type": "response.create", "response": {"conversation": "none", "metadata": {"a": "b"},
         "input": [{"type": "item_reference", "id": "a"}]}}) + "\n\n\n" + lines(
        {"type": "response.cancel"},
        {"type": "conversation.item.create", "previous_item_id": "root", "item": {
            "type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}},
        {"type": "conversation.item.create", "item": {"type": "function_call_output",
                                                      "call_id": "1", "output": "8"}},
        {"type": "conversation.item.retrieve", "item_id": "a"},
        {"type": "conversation.item.delete", "item_id": "a"}))
    put("openai_realtime", "1" + lines(
        {"type": "session.update", "session": {
            "modalities": ["text"], "input_audio_format": "g711_ulaw", "turn_detection": None,
            "input_audio_transcription": {"model": "nano"}}},
        {"type": "input_audio_buffer.append", "audio": sound},
        {"type": "input_audio_buffer.commit"},
        {"type": "input_audio_buffer.clear"}))
    put("genai_live", lines(
        {"setup": {"model": "models/nano", "systemInstruction": {"parts": [{"text": "x"}]},
                   "generationConfig": {"maxOutputTokens": 2, "responseModalities": ["TEXT"]},
                   "tools": [DECLARATION], "inputAudioTranscription": {}, "sessionResumption": {},
                   "realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}},
                   "contextWindowCompression": {"triggerTokens": "100", "slidingWindow": {}}}},
        {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "x"}]}],
                           "turnComplete": True}}) + "\n\n\n" + lines(
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"audio": {"data": sound, "mimeType": "audio/pcm;rate=16000"}}},
        {"realtimeInput": {"video": {"data": picture.split(",")[1], "mimeType": "image/png"}}},
        {"realtimeInput": {"activityEnd": {}}},
        {"toolResponse": {"functionResponses": [{"id": "1", "name": "f", "response": {}}]}}))


def main():
    binaries, folder = map(pathlib.Path, sys.argv[1:])
    counts = {}

    def put(target, seed):
        counts[target] = counts.get(target, 0) + 1
        (folder / target).mkdir(exist_ok=True)
        data = seed if isinstance(seed, bytes) else seed.encode()
        (folder / target / str(counts[target])).write_bytes(data)

    picture, sound = folder / "seed.png", folder / "seed.wav"
    sample_media.write_picture(picture)
    sample_media.write_sound(sound, 2000)
    put("image", picture.read_bytes())
    put("sound", sound.read_bytes())
    uri = "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
    text = base64.b64encode(sound.read_bytes()).decode()
    model_files(binaries, folder, put)
    bytes_of_http(put)
    askers(put)
    texts(put)
    constraints(put)
    put("data_uri", "0" + uri)
    put("data_uri", "5" + text)
    requests(put, uri, text)
    routes(put, sound.read_bytes())
    conversations(put, uri, text)


if __name__ == "__main__":
    main()
