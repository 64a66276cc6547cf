// SPDX-License-Identifier: Apache-2.0
// Recordings to text, by the server's transcriptions.
import { request, stream } from './api.js';

const ROOT = '/v1/audio/';

function form(blob, fields) {
  const body = new FormData();
  body.append('file', blob, /** @type {any} */ (blob).name ?? 'speech.wav');
  for (const [name, value] of Object.entries(fields)) if (value) body.append(name, value);
  return body;
}

/** The text of a short clip. @returns {Promise<{text: string}>} */
export async function transcribe(blob, signal = undefined) {
  const response = await request(`${ROOT}transcriptions`, {
    method: 'POST',
    body: form(blob, { response_format: 'json' }),
    signal,
  });
  return response.json();
}

/**
 * The lines of a recording as they come.
 * @param {Blob} blob @param {{language?: string, translate?: boolean, signal: AbortSignal}} options
 * @param {(segment: import('./subtitles.js').Segment) => void} line
 * @param {(text: string) => void} partial what has no times yet
 * @returns {Promise<{text: string}>}
 */
export async function transcribeLines(blob, { language, translate, signal }, line, partial) {
  const path = ROOT + (translate ? 'translations' : 'transcriptions');
  const body = form(blob, {
    response_format: 'json',
    language: translate ? '' : language,
    stream: 'true',
  });
  let done = { text: '' };
  let text = '';
  let timed = false;
  for await (const event of stream(path, { method: 'POST', body, signal })) {
    if (event.type === 'transcript.text.segment') {
      timed = true;
      line({ start: event.start, end: event.end, text: event.text });
    } else if (event.type === 'transcript.text.delta' && !timed) {
      text += event.delta;
      partial(text);
    } else if (event.type === 'transcript.text.done') done = event;
  }
  return done;
}
