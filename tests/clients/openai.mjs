// SPDX-License-Identifier: Apache-2.0
// OpenAI's client for JavaScript against our server with the embedded model, which asks for a key and has one session:
// openai.mjs URL NANO KEY
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import fs from "node:fs";
import assert from "node:assert/strict";
const [url, nano, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + "/v1", apiKey: key, maxRetries: 0 });
const b64 = (name) => fs.readFileSync(`${nano}/eval/${name}`).toString("base64");
const user = (content) => [{ role: "user", content }];
const create = (body) => client.chat.completions.create({ model: "nano", temperature: 0, messages: user("Hello!"), ...body });
const text = (answer) => answer.choices[0].message.content;
const Zone = z.object({ zone: z.enum(["Oslo", "Rome"]) });
const parameters = { type: "object", properties: { zone: { enum: ["Oslo", "Rome"] } }, required: ["zone"],
  additionalProperties: false };
const tool = { type: "function", function: { name: "get_time", strict: true, parameters } };

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models, ["nano"]);
assert.equal((await client.models.retrieve("nano")).id, "nano");

// Chats: whole, streamed, by the helper; pictures and sound.
assert.equal(text(await create({ messages: user("What is 3 plus 4?") })), "7");
let streamed = "", usage = null;
for await (const chunk of await create({ stream: true, stream_options: { include_usage: true },
  messages: user("Repeat: boat white Hugo") })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(streamed, "boat white Hugo");
assert.ok(usage.completion_tokens > 0);
const helper = client.chat.completions.stream({ model: "nano", temperature: 0, logprobs: true, messages: user("Hello!") });
const final = await helper.finalChatCompletion();
assert.equal(text(final), "Hello! How can I help?");
assert.ok(final.choices[0].logprobs.content.length > 3);
assert.equal((await create({ logprobs: true, top_logprobs: 3 })).choices[0].logprobs.content[0].top_logprobs.length, 3);
assert.equal(text(await create({ messages: user([
  { type: "image_url", image_url: { url: "data:image/png;base64," + b64("pictures-0069.png"), detail: "auto" } },
  { type: "text", text: "What shape is yellow?" }]) })), "triangle");
assert.equal(text(await create({ messages: user([
  { type: "input_audio", input_audio: { data: b64("speech new voices-0001.flac"), format: "wav" } },
  { type: "text", text: "Transcribe the following speech segment." }]) })), "traz a taça preta");

// Forms and functions.
const parsed = await client.chat.completions.parse({ model: "nano", temperature: 0, messages: user("Hello!"),
  response_format: zodResponseFormat(Zone, "place") });
assert.ok(["Oslo", "Rome"].includes(parsed.choices[0].message.parsed.zone));
const said = (await create({ tools: [tool], tool_choice: { type: "function", function: { name: "get_time" } } })).choices[0];
assert.equal(said.finish_reason, "tool_calls");
const [call] = said.message.tool_calls;
assert.ok(["Oslo", "Rome"].includes(JSON.parse(call.function.arguments).zone));
assert.ok(text(await create({ tools: [tool], tool_choice: "none", messages: [...user("Hello!"), said.message,
  { role: "tool", tool_call_id: call.id, content: "8 o'clock" }] })).length > 0);
const calls = client.chat.completions.stream({ model: "nano", temperature: 0, messages: user("Hello!"),
  tools: [tool], tool_choice: { type: "function", function: { name: "get_time" } } });
const [told] = (await calls.finalMessage()).tool_calls;
assert.deepEqual([told.function.name, told.function.arguments], ["get_time", call.function.arguments]);

// Completions.
const completion = await client.completions.create({ model: "nano", prompt: "The fish is", temperature: 0 });
let completed = "";
for await (const part of await client.completions.create({ model: "nano", prompt: "The fish is", temperature: 0, stream: true })) {
  completed += part.choices[0].text;
}
assert.equal(completed, completion.choices[0].text);
const scored = await client.completions.create({ model: "nano", prompt: "The fish is", echo: true, logprobs: 1, max_tokens: 0 });
assert.equal(scored.choices[0].logprobs.tokens.join(""), "The fish is");

// Responses.
const response = await client.responses.create({ model: "nano", temperature: 0, input: "What is 3 plus 4?" });
assert.equal(response.output_text, "7");
const kinds = [];
const events = client.responses.stream({ model: "nano", temperature: 0, input: "Repeat: boat white Hugo" })
  .on("event", (event) => kinds.push(event.type));
assert.equal((await events.finalResponse()).output_text, "boat white Hugo");
assert.equal(kinds[0], "response.created");
assert.equal(kinds.at(-1), "response.completed");
const place = await client.responses.parse({ model: "nano", temperature: 0, input: "Hello!",
  text: { format: zodTextFormat(Zone, "place") } });
assert.ok(["Oslo", "Rome"].includes(place.output_parsed.zone));
const made = await client.responses.create({ model: "nano", temperature: 0, input: "Hello!", tool_choice: "required",
  parallel_tool_calls: false, tools: [{ type: "function", name: "get_time", strict: true, parameters }] });
assert.equal(made.output[0].type, "function_call");
const next = await client.responses.create({ model: "nano", temperature: 0, previous_response_id: made.id,
  input: [{ type: "function_call_output", call_id: made.output[0].call_id, output: "8 o'clock" }] });
assert.equal(next.status, "completed");
assert.deepEqual((await client.responses.retrieve(response.id)).output, response.output);
const items = [];
for await (const item of client.responses.inputItems.list(response.id)) items.push(item.content[0].text);
assert.deepEqual(items, ["What is 3 plus 4?"]);
await assert.rejects(client.responses.cancel(response.id), OpenAI.BadRequestError);
await client.responses.delete(response.id);
await assert.rejects(client.responses.retrieve(response.id), OpenAI.NotFoundError);

// Errors.
await assert.rejects(create({ model: "x" }), (error) => error instanceof OpenAI.NotFoundError
  && error.code === "model_not_found" && error.requestID?.length === 16);
await assert.rejects(create({ messages: [] }), OpenAI.BadRequestError);
await assert.rejects(create({ response_format: { type: "json_schema", json_schema: { name: "x", schema: { not: {} } } } }),
  (error) => error.code === "invalid_json_schema" && error.param === "response_format.json_schema.schema.not");

await assert.rejects(new OpenAI({ baseURL: url + "/v1", apiKey: "wrong", maxRetries: 0 }).models.list(),
  (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");

// Aborted in the middle: the answer ends, and so does one that waits. A third is one too many meanwhile.
const metrics = async () => (await fetch(url + "/metrics", { headers: { authorization: `Bearer ${key}` } })).text();
const cancelled = async () => Number(/^gemma3n_cancelled_total (\d+)$/m.exec(await metrics())[1]);
const without_end = { stream: true, max_tokens: 2000, logit_bias: { 1: -100, 5: -100, 7: -100 } };
const before = await cancelled();
const endless = await create(without_end);
for await (const chunk of endless) {
  assert.equal(chunk.object, "chat.completion.chunk");
  const waiting = await create(without_end);
  await assert.rejects(create({}), (error) => error instanceof OpenAI.RateLimitError && error.code === "server_busy");
  waiting.controller.abort();
  endless.controller.abort();
  break;
}
for (let i = 0; i < 200 && (await cancelled()) < before + 2; ++i) await new Promise((resolve) => setTimeout(resolve, 50));
assert.equal(await cancelled(), before + 2);
assert.equal(text(await create({ messages: user("What is 3 plus 4?") })), "7");
