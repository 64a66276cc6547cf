// SPDX-License-Identifier: Apache-2.0
// From a conversation to a request, and from its stream to an answer.
import { stream } from './api.js';
import { dataUri } from './export.js';
import { NUMBERS, perSecond, seconds } from './numbers.js';
import { sizeOf } from './state.js';

const uris = /** @type {WeakMap<Blob, Promise<string>>} */ (new WeakMap());
const uriOf = (blob) => {
  if (!uris.has(blob)) uris.set(blob, dataUri(blob));
  return uris.get(blob);
};

/** A part of a message, as the server takes it. @param {import('./tree.js').Attachment} one */
export async function partOf(one, detail = 'auto') {
  if (one.kind === 'text')
    return { type: 'text', text: `${one.name}:\n${await one.blob.text()}\n` };
  const uri = await uriOf(one.blob);
  if (one.kind === 'image')
    return { type: 'image_url', image_url: { url: uri, ...(detail === 'auto' ? {} : { detail }) } };
  if (one.kind === 'video') return { type: 'video_url', video_url: { url: uri } };
  return {
    type: 'input_audio',
    input_audio: { data: uri.slice(uri.indexOf(',') + 1), format: 'wav' },
  };
}

async function messageOf(message, { media, detail }) {
  const attachments = (message.attachments ?? []).filter((one) => media || one.kind === 'text');
  if (message.role === 'assistant' || attachments.length === 0)
    return { role: message.role, content: message.text };
  const parts = [];
  for (const one of attachments) parts.push(await partOf(one, detail));
  if (message.text) parts.push({ type: 'text', text: message.text });
  return { role: 'user', content: parts };
}

/**
 * @param {import('./tree.js').Message[]} messages @param {any} settings
 * @param {{media?: boolean}} [options] without media it serves to count tokens
 */
export async function bodyOf(messages, settings, { media = true } = {}) {
  const body = { messages: [] };
  if (settings.system?.trim()) body.messages.push({ role: 'system', content: settings.system });
  for (const message of messages) {
    // Templates want turns to alternate; a question that was never answered has an empty answer.
    if (message.role === 'user' && body.messages.at(-1)?.role === 'user')
      body.messages.push({ role: 'assistant', content: '' });
    body.messages.push(await messageOf(message, { media, detail: settings.detail ?? 'auto' }));
  }
  for (const name of NUMBERS) if (Number.isFinite(settings[name])) body[name] = settings[name];
  if (settings.stop?.length) body.stop = settings.stop;
  if (sizeOf(settings)) body.size = sizeOf(settings);
  return body;
}

/**
 * Asks, and puts what comes into `answer`; `changed` is called each time.
 * @param {any} body @param {any} answer a message of the assistant
 * @param {() => void} changed @param {AbortSignal} signal
 */
export async function answerInto(body, answer, changed, signal) {
  const began = performance.now();
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  for await (const event of stream('/v1/chat/completions', { json: asked, signal })) {
    const choice = event.choices?.[0];
    if (choice?.delta?.content) {
      answer.firstWordMs ??= performance.now() - began;
      answer.text += choice.delta.content;
    }
    if (choice?.finish_reason) answer.finish = choice.finish_reason;
    if (event.usage) answer.usage = event.usage;
    if (event.timings) answer.timings = event.timings;
    changed();
  }
}

/** "24 tokens, 18.6 tok/s · ..." of an answer; empty where nothing is known. */
export function timingsText(message) {
  const { usage, timings } = message;
  const parts = [];
  if (usage) {
    const speed = timings?.decode_tps ? `, ${perSecond(timings.decode_tps)}` : '';
    parts.push(`${usage.completion_tokens} tokens${speed}`);
    const cached = usage.prompt_tokens_details?.cached_tokens;
    const read = timings?.prefill_tps ? `, ${perSecond(timings.prefill_tps)}` : '';
    parts.push(`prompt ${usage.prompt_tokens}${cached ? ` (${cached} known)` : ''}${read}`);
  }
  if (timings?.media_ms >= 1) parts.push(`media ${Math.round(timings.media_ms)} ms`);
  if (timings?.queue_ms >= 50) parts.push(`waited ${seconds(timings.queue_ms)}`);
  if (message.firstWordMs) parts.push(`first word after ${seconds(message.firstWordMs)}`);
  if (message.size && message.size !== 'full') parts.push(message.sizeLabel ?? message.size);
  if (message.finish === 'length') parts.push('cut at the most tokens');
  if (message.finish === 'stopped') parts.push('stopped');
  return parts.join(' · ');
}
