#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target for SECONDS_EACH (60), from seeds that it makes.
set -euo pipefail
bin=$1
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
mkdir "$seeds"/{safetensors,packed_file,gguf,config,tokenizer_json,image,sound,http_request,request_json,base64,multipart,openai_chat,openai_completions,openai_responses,ollama_requests,genai_content,ws_frames,schema_compile,pattern_compile,constraint_step}
"$bin/gemma3n" synth --like tiny --out "$seeds/model"
# A whole small packed model, but for the bulk of its tensors: its header and what follows.
"$bin/gemma3n" quantize "$seeds/model" -o "$seeds/packed" --recipe q8 --quiet
head -c 90000 "$seeds/packed" > "$seeds/packed_file/cut"
head -c 20000 "$seeds/model/model.safetensors" > "$seeds/safetensors/cut"
# Models in GGUF, so small that a mutation often meets what matters.
python3 "$(dirname "$0")/../tests/reference/tiny_gguf.py" "$seeds/gguf"
cp "$seeds/model/config.json" "$seeds/config/"
cp "$seeds/model/tokenizer.json" "$seeds/tokenizer_json/"
printf 'POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /ab HTTP/1.1\r\nHost: x\r\n\r\n' \
  > "$seeds/http_request/length"
printf 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' \
  > "$seeds/http_request/chunks"
echo '{"messages":[{"role":"user","content":"x"}],"temperature":0.5,"seed":-1}' > "$seeds/request_json/chat"
cat > "$seeds/openai_chat/tools" << 'JSON'
{"messages":[{"role":"system","content":"x"},{"role":"user","content":[{"type":"text","text":"x"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"8"}],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"a":{"enum":["b"]}},"required":["a"],"additionalProperties":false}}}],"tool_choice":"auto","logprobs":true,"top_logprobs":2,"stop":["x"],"logit_bias":{"5":1},"n":2}
JSON
echo '{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"integer","minimum":0}}}}},"functions":[{"name":"f"}]}' \
  > "$seeds/openai_chat/form"
echo '{"prompt":[[2,5],[7]],"echo":true,"logprobs":1,"max_tokens":0,"best_of":2}' > "$seeds/openai_completions/ids"
echo '{"input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"8"}],"tools":[{"type":"function","name":"f"}],"text":{"format":{"type":"json_object"}},"truncation":"auto","metadata":{"a":"b"}}' \
  > "$seeds/openai_responses/items"
printf '\7--b\r\nContent-Disposition: form-data; name="file"; filename="x.wav"\r\n\r\nRIFF\r\n--b--\r\n' \
  > "$seeds/multipart/file"
printf '\1multipart/form-data; boundary="b c"; x=y' > "$seeds/multipart/type"
printf '%s' '0{"model":"nano","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"id":"1","function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"8","tool_call_id":"1"}],"tools":[{"type":"function","function":{"name":"f"}}],"options":{"top_k":3,"stop":["x"]},"keep_alive":"1h30m"}' \
  > "$seeds/ollama_requests/chat"
printf '%s' '1{"model":"nano","prompt":"x","system":"y","context":[2,5],"format":{"type":"object","properties":{"a":{"enum":["b"]}}}}' \
  > "$seeds/ollama_requests/generate"
printf '%s' '2{"model":"a","modelfile":"FROM nano\nSYSTEM \"\"\"x\"\"\"\nPARAMETER stop \"y\"\nPARAMETER top_k 3"}' \
  > "$seeds/ollama_requests/create"
echo '{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{}}}]},{"parts":[{"functionResponse":{"id":"1","name":"f","response":{}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}},"propertyOrdering":["a"]}}]}],"tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},"generationConfig":{"topK":"3","responseMimeType":"text/plain"}}' \
  > "$seeds/genai_content/functions"
printf 'aGVsbG8gd29ybGQ=' > "$seeds/base64/hello"
python3 - "$seeds" "$(dirname "$0")/../tests/reference" << 'PYTHON'
import pathlib
import sys
sys.path.insert(0, sys.argv[2])
import sample_media
sample_media.write_picture(pathlib.Path(sys.argv[1]) / "image/seed.png")
sample_media.write_sound(pathlib.Path(sys.argv[1]) / "sound/seed.wav", 2000)
PYTHON
for target in safetensors packed_file gguf config tokenizer_json image sound http_request request_json base64 multipart openai_chat openai_completions openai_responses \
  ollama_requests genai_content ws_frames schema_compile pattern_compile constraint_step; do
  "$bin/fuzz_$target" -max_total_time="${SECONDS_EACH:-60}" -max_len=100000 -print_final_stats=0 \
    -artifact_prefix="$seeds/" "$seeds/$target" 2>&1 | tail -1
done
