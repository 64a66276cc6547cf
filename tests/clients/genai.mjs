// SPDX-License-Identifier: Apache-2.0
// Google's client against a server with the embedded model, which knows the key:
// `node genai.mjs URL MODEL_DIRECTORY KEY PACKAGE`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gone, isLeft } from "./left.mjs";

const [url, nano, key, version] = process.argv.slice(2);
const { ApiError, createPartFromUri, FunctionCallingConfigMode, GoogleGenAI, Type } = await import(version);
const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
const inline = (name, mimeType) =>
  ({ inlineData: { data: readFileSync(`${nano}/eval/${name}`).toString("base64"), mimeType } });
const generate = (contents, config = {}) =>
  client.models.generateContent({ model: "nano", contents, config: { temperature: 0, ...config } });
const rejects = (promise, status, text) => assert.rejects(promise, (error) =>
  error instanceof ApiError && error.status === status && error.message.includes(text));

const names = [];
for await (const model of await client.models.list({ config: { pageSize: 1 } })) names.push(model.name);
assert.deepEqual(names, ["models/nano"]);
const model = await client.models.get({ model: "nano" });
assert.ok(model.inputTokenLimit > 0 && model.name === "models/nano");

const whole = await generate("What is 3 plus 4?");
assert.equal(whole.text, "7");
assert.equal(whole.candidates[0].finishReason, "STOP");
assert.equal(whole.usageMetadata.totalTokenCount,
  whole.usageMetadata.promptTokenCount + whole.usageMetadata.candidatesTokenCount);
assert.equal((await generate("What is 3 plus 4?", { systemInstruction: "Answer briefly.", maxOutputTokens: 1 }))
  .candidates[0].finishReason, "MAX_TOKENS");

let text = "", last = null;
for await (const chunk of await client.models.generateContentStream({ model: "models/nano",
  contents: "Repeat: boat white Hugo", config: { temperature: 0 } })) {
  text += chunk.text ?? "";
  last = chunk;
}
assert.equal(text, "boat white Hugo");
assert.ok(last.usageMetadata.candidatesTokenCount > 0 && last.candidates[0].finishReason === "STOP");

assert.equal((await generate([inline("pictures-0069.png", "image/png"), "What shape is yellow?"])).text, "triangle");
assert.equal((await generate([inline("speech new voices-0001.flac", "audio/flac"),
  "Transcribe the following speech segment."])).text, "traz a taça preta");
const film = await generate([inline("film-0158.mp4", "video/mp4"), "What is in the last picture?"]);
assert.ok(film.usageMetadata.promptTokensDetails.some((one) => one.modality === "IMAGE"));

const file = await client.files.upload({ file: `${nano}/eval/pictures-0069.png`, config: { mimeType: "image/png", displayName: "shapes" } });
assert.ok(file.name.startsWith("files/") && file.state === "ACTIVE" && file.displayName === "shapes");
const blob = await client.files.upload({ file: new Blob([readFileSync(`${nano}/eval/speech new voices-0001.flac`)], { type: "audio/flac" }) });
assert.equal((await client.files.get({ name: file.name })).uri, file.uri);
assert.equal((await generate([createPartFromUri(file.uri, file.mimeType), "What shape is yellow?"])).text, "triangle");
assert.equal((await generate([createPartFromUri(blob.uri, blob.mimeType), "Transcribe the following speech segment."])).text,
  "traz a taça preta");
const kept = [];
for await (const one of await client.files.list({ config: { pageSize: 1 } })) kept.push(one.name);
assert.deepEqual(kept, [blob.name, file.name]);
for (const name of kept) await client.files.delete({ name });
await assert.rejects(client.files.get({ name: file.name }), (error) => error instanceof ApiError && error.status === 404);

const counted = await client.models.countTokens({ model: "nano", contents: "What is 3 plus 4?" });
assert.equal(counted.totalTokens, whole.usageMetadata.promptTokenCount);

const embedded = await client.models.embedContent({ model: "nano", contents: ["red apple", "green apple"],
  config: { outputDimensionality: 8 } });
assert.deepEqual(embedded.embeddings.map((one) => one.values.length), [8, 8]);

const held = JSON.parse((await generate("Hello!", { responseMimeType: "application/json", responseSchema: {
  type: Type.OBJECT, propertyOrdering: ["b", "a"], required: ["a", "b"], properties: {
    a: { type: Type.INTEGER, minimum: 1, maximum: 9 }, b: { type: Type.STRING, enum: ["x", "y"] } } } })).text);
assert.deepEqual(Object.keys(held), ["b", "a"]);
assert.deepEqual(JSON.parse((await generate("Hello!", { responseMimeType: "application/json", responseJsonSchema: {
  type: "object", properties: { n: { const: 5 } }, required: ["n"], additionalProperties: false } })).text), { n: 5 });
assert.ok(["left", "right"].includes((await generate("Which way?", { responseMimeType: "text/x.enum",
  responseSchema: { type: Type.STRING, enum: ["left", "right"] } })).text));

const functions = { tools: [{ functionDeclarations: [{ name: "get_weather", description: "Weather of a city",
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING, maxLength: "12" } }, required: ["city"] } }] }],
toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["get_weather"] } } };
const called = await generate("What is the weather in Oslo?", { ...functions, maxOutputTokens: 200 });
const call = called.functionCalls[0];
assert.equal(call.name, "get_weather");
assert.equal(typeof call.args.city, "string");
const after = await generate([{ role: "user", parts: [{ text: "What is the weather in Oslo?" }] },
  called.candidates[0].content,
  { role: "tool", parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: "rain" } } }] }],
{ tools: functions.tools, maxOutputTokens: 5 });
assert.equal(after.candidates[0].content.role, "model");

const chat = client.chats.create({ model: "nano", config: { temperature: 0 } });
await chat.sendMessage({ message: "Hello!" });
text = "";
for await (const chunk of await chat.sendMessageStream({ message: "What is 3 plus 4?" })) text += chunk.text ?? "";
assert.ok(text.length > 0);
assert.ok((await chat.sendMessage({ message: "What is 3 plus 4?" })).text.length > 0);

const chosen = await generate("Hello!", { responseLogprobs: true, logprobs: 2 });
assert.equal(chosen.candidates[0].logprobsResult.topCandidates[0].candidates.length, 2);
assert.equal((await generate("Hello!", { candidateCount: 2 })).candidates.length, 2);
await generate("Hello!", { safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
  thinkingConfig: { thinkingBudget: 0 } });
await generate("Hello!", { thinkingConfig: { thinkingLevel: "XHIGH" } });

await rejects(new GoogleGenAI({ apiKey: "wrong", httpOptions: { baseUrl: url } }).models
  .generateContent({ model: "nano", contents: "x" }), 401, "UNAUTHENTICATED");
await rejects(client.models.generateContent({ model: "x", contents: "x" }), 404, "NOT_FOUND");
await rejects(generate("x", { temperature: 9 }), 400, "generationConfig.temperature");
await rejects(generate("x", { responseModalities: ["AUDIO"] }), 400, "the model answers in text alone");
await rejects(generate("x", { tools: [{ googleSearch: {} }] }), 400, "only functions");
await rejects(generate([{ inlineData: { data: "AAAA", mimeType: "image/png" } }, "x"]), 400, "INVALID_ARGUMENT");

// Aborted in the middle: the server goes on for the next one.
const left = await gone(url, key);
const abort = new AbortController();
await assert.rejects(async () => {
  for await (const chunk of await client.models.generateContentStream({ model: "nano", contents: "Once there was",
    config: { temperature: 2, maxOutputTokens: 1500, responseMimeType: "application/json", abortSignal: abort.signal,
      responseSchema: { type: Type.ARRAY, items: { type: Type.INTEGER }, minItems: "400" } } })) {
    assert.ok(chunk.candidates.length > 0);
    abort.abort();
  }
}, (error) => error.name === "AbortError" || error.message.includes("abort"));
await isLeft(url, left, key);
assert.equal((await generate("What is 3 plus 4?")).text, "7");
