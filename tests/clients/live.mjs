// SPDX-License-Identifier: Apache-2.0
// Google's GenAI client for JavaScript in live sessions: live.mjs URL NANO
import { ActivityHandling, GoogleGenAI, Modality, Type } from "@google/genai";
import fs from "node:fs";
import assert from "node:assert/strict";
const [url, nano] = process.argv.slice(2);
const client = new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: url } });

// A session, and a function that gives the messages of its next turn.
async function open(config) {
  const messages = [], waiting = [];
  const take = (message) => (waiting.length ? waiting.shift()(message) : messages.push(message));
  const session = await client.live.connect({ model: "nano",
    config: { responseModalities: [Modality.TEXT], temperature: 0, ...config },
    callbacks: { onmessage: take, onclose: (event) => take({ closed: event }), onerror: (error) => take({ closed: error }) } });
  const next = () => (messages.length ? messages.shift() : new Promise((resolve) => waiting.push(resolve)));
  const until = async (is) => {
    const found = [await next()];
    while (!is(found.at(-1))) {
      assert.equal(found.at(-1).closed, undefined, String(found.at(-1).closed?.reason));
      found.push(await next());
    }
    return found;
  };
  return { session, until, turn: () => until((message) => message.serverContent?.turnComplete) };
}
const text = (messages) => messages.map((message) => message.text ?? "").join("");

const { session, until, turn } = await open({ inputAudioTranscription: {}, sessionResumption: {},
  realtimeInputConfig: { activityHandling: ActivityHandling.START_OF_ACTIVITY_INTERRUPTS,
    automaticActivityDetection: { silenceDurationMs: 400 } } });
session.sendClientContent({ turns: "What is 3 plus 4?" });
const first = await turn();
assert.equal(text(first), "7");
assert.ok(first.at(-1).usageMetadata.responseTokenCount > 0);
const [handle] = (await until((message) => message.sessionResumptionUpdate?.newHandle)).slice(-1);

const wav = fs.readFileSync(`${nano}/examples/spanish.wav`).subarray(44);
for (const data of [wav, Buffer.alloc(32000)]) {
  session.sendRealtimeInput({ audio: { data: data.toString("base64"), mimeType: "audio/pcm;rate=16000" } });
}
await until((message) => message.serverContent?.inputTranscription?.text.length > 5);

const picture = fs.readFileSync(`${nano}/eval/pictures-0069.png`).toString("base64");
session.sendClientContent({ turns: [{ role: "user", parts: [{ inlineData: { data: picture, mimeType: "image/png" } },
  { text: "What shape is yellow?" }] }] });
session.close();

const again = await open({ sessionResumption: { handle: handle.sessionResumptionUpdate.newHandle } });
again.session.sendClientContent({ turns: "What is 5 plus 1?" });
assert.ok((await again.turn()).at(-1).usageMetadata.promptTokenCount > first.at(-1).usageMetadata.promptTokenCount);
again.session.close();

const tools = await open({ tools: [{ functionDeclarations: [{ name: "get_time",
  parameters: { type: Type.OBJECT, properties: { zone: { type: Type.STRING } } } }] }] });
tools.session.sendClientContent({ turns: "What is 3 plus 4?" });
assert.ok((await tools.turn()).length > 1); // nano knows nothing of functions, and may answer in text
tools.session.close();

const refused = new Promise((resolve) => client.live.connect({ model: "nano",
  config: { responseModalities: [Modality.AUDIO] },
  callbacks: { onmessage: () => {}, onclose: (event) => resolve([event.code, event.reason]) } }));
const [code, reason] = await refused;
assert.equal(code, 1007);
assert.match(reason, /TEXT/);
process.exit(0); // the client waits for the session that was refused
