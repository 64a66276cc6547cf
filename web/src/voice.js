// SPDX-License-Identifier: Apache-2.0
// Talking instead of typing: hold a button and talk, or hands-free, when speech is noticed, shown
// as text while it is said, sent at its end, and interrupts an answer.
import { ApiError } from './api.js';
import { stop } from './chat.js';
import { submit } from './composer.js';
import { byId } from './dom.js';
import { deviceError, errorBox } from './error_box.js';
import { loadRecorder, Microphone } from './microphone.js';
import { hush, read } from './speaking.js';
import { keep, on, state, tell } from './state.js';
import { transcribe } from './transcription.js';
import { joined, UtteranceFinder } from './utterance.js';
import { RATE, resample, wavOf } from './wav.js';

const LEAST_SECONDS = 0.25; // a shorter recording was a slip
const CLICK_MS = 300; // a press this short begins a recording that the next one ends
const HEAR_AGAIN_MS = 1200; // between two looks at what has been said so far

let recording =
  /** @type {{microphone: Microphone, blocks: Float32Array[], pressed: number, sticky: boolean}|null} */ (
    null
  );
let ears =
  /** @type {{microphone: Microphone, finder: UtteranceFinder, hearing: boolean, heardAt: number, turn: number}|null} */ (
    null
  );

function showLevel(level) {
  byId('level').value = Math.min(1, Math.sqrt(level) * 1.6);
}

function showStrip(text) {
  byId('voice').hidden = !recording && !ears;
  byId('voice-text').textContent = text;
}

const clipOf = (samples, rate) => {
  const blob = new Blob([wavOf(resample(samples, rate, RATE))], { type: 'audio/wav' });
  return {
    kind: 'audio',
    name: `speech ${new Date().toLocaleTimeString('en-GB')}.wav`,
    type: 'audio/wav',
    blob,
    tokens: undefined,
  };
};

async function sendClip(samples, rate) {
  const clip = clipOf(samples, rate);
  if (state.info?.audio_tokens) clip.tokens = state.info.audio_tokens;
  return { clip, question: await submit([clip]) };
}

async function beginRecording() {
  if (recording) return;
  hush();
  const microphone = new Microphone((block, level) => {
    if (!recording) return;
    recording.blocks.push(block);
    showLevel(level);
    const left = (state.info?.clip_seconds || 30) - seconds(recording);
    if (left < (2 * block.length) / microphone.rate) void endRecording(); // the next would not fit
  });
  recording = { microphone, blocks: [], pressed: performance.now(), sticky: false };
  byId('talk').setAttribute('aria-pressed', 'true');
  showStrip('Opening the microphone …');
  try {
    if (await microphone.open())
      showStrip(`Listening. ${recording?.sticky ? 'Press again' : 'Let go'} to send.`);
  } catch (error) {
    microphone.close();
    if (recording?.microphone !== microphone) return;
    recording = null;
    byId('talk').setAttribute('aria-pressed', 'false');
    trouble(deviceError('microphone', error));
  }
}

const seconds = ({ blocks, microphone }) =>
  blocks.reduce((sum, block) => sum + block.length, 0) / (microphone.rate || 1);

async function endRecording() {
  const done = recording;
  if (!done) return;
  recording = null;
  done.microphone.close();
  byId('talk').setAttribute('aria-pressed', 'false');
  showStrip('');
  if (seconds(done) >= LEAST_SECONDS) await sendClip(joined(done.blocks), done.microphone.rate);
}

function letGo() {
  if (!recording) return;
  if (performance.now() - recording.pressed < CLICK_MS && !recording.sticky) {
    recording.sticky = true;
    showStrip('Listening. Press again to send.');
  } else void endRecording();
}

function trouble(error) {
  const close = () => byId('voice-error').replaceChildren();
  byId('voice-error').replaceChildren(errorBox(error, { Close: close }));
  showStrip(ears ? 'Listening: speak whenever you like.' : '');
}

async function openEars() {
  const most = state.info?.clip_seconds || 30;
  const microphone = new Microphone((block, level) => {
    if (!ears?.finder) return;
    showLevel(level);
    const event = ears.finder.push(block, level);
    if (event === 'begin') {
      // Who speaks interrupts.
      hush();
      stop();
      ears.turn += 1;
      ears.heardAt = performance.now();
      showStrip('…');
    } else if (event === 'noise') showStrip('It is loud here. Listening again.');
    else if (event === 'end') void said(ears.finder.samples());
    else if (ears.finder.speaking) void hearSoFar();
  });
  ears = { microphone, finder: null, hearing: false, heardAt: 0, turn: 0 };
  byId('ears').setAttribute('aria-pressed', 'true');
  showStrip('Opening the microphone …');
  try {
    if (!(await microphone.open())) return;
    ears.finder = new UtteranceFinder(microphone.rate, most);
    showStrip('Listening: speak whenever you like.');
  } catch (error) {
    microphone.close();
    if (ears?.microphone !== microphone) return;
    closeEars();
    trouble(deviceError('microphone', error));
  }
}

function closeEars() {
  ears?.microphone.close();
  ears = null;
  byId('ears').setAttribute('aria-pressed', 'false');
  showStrip('');
}

// The text of what is being said, as far as it has come.
async function hearSoFar() {
  const now = ears;
  if (now.hearing || performance.now() - now.heardAt < HEAR_AGAIN_MS) return;
  now.hearing = true;
  const { turn } = now;
  try {
    const { text } = await transcribe(clipOf(joined(now.finder.blocks), now.microphone.rate).blob);
    if (ears === now && now.turn === turn && now.finder.speaking) showStrip(text);
  } catch {
    /* the end of it is heard in any case */
  }
  now.hearing = false;
  now.heardAt = performance.now();
}

async function said(samples) {
  const { microphone } = ears;
  showStrip('Listening: speak whenever you like.');
  const { clip, question } = await sendClip(samples, microphone.rate);
  if (!question) return;
  try {
    const { text } = await transcribe(clip.blob);
    if (!text) return;
    question.transcript = text;
    if (question.parent === null && !question.text && !state.conversation.titled)
      state.conversation.title = text.slice(0, 60);
    tell('message', question);
    await keep();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

export function startVoice() {
  const talk = byId('talk');
  talk.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    talk.setPointerCapture(event.pointerId);
    if (recording) void endRecording();
    else void beginRecording();
  });
  talk.addEventListener('pointerup', letGo);
  talk.addEventListener('pointercancel', letGo);
  talk.addEventListener('contextmenu', (event) => event.preventDefault());
  talk.addEventListener('keydown', (event) => {
    if ((event.key !== ' ' && event.key !== 'Enter') || event.repeat) return;
    event.preventDefault();
    if (recording) void endRecording();
    else void beginRecording();
  });
  talk.addEventListener('keyup', (event) => {
    if (event.key === ' ' || event.key === 'Enter') letGo();
  });
  byId('ears').addEventListener('click', () => (ears ? closeEars() : openEars()));
  let last = null;
  on('answering', () => {
    if (state.answering) last = state.answering.message;
    else if (last?.text && last.finish !== 'stopped' && state.conversation.settings.aloud) {
      read(last.text);
      last = null;
    }
  });
  on('info', () => {
    if (state.info?.hears) loadRecorder().catch(() => {});
    talk.hidden = byId('ears').hidden = !state.info?.hears;
    byId('open-camera').hidden = !state.info?.sees;
  });
}
