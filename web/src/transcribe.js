// SPDX-License-Identifier: Apache-2.0
// The view that turns a film or a recording into lines with their times.
import { announce, byId, copyText, download, el } from './dom.js';
import { deviceError, errorBox } from './error_box.js';
import { fileName } from './export.js';
import { untilAnswered } from './insist.js';
import { kindOf, troubleWith, urlOf } from './attachments.js';
import { Microphone } from './microphone.js';
import { state } from './state.js';
import { shortClock, toSrt, toText, toVtt } from './subtitles.js';
import { transcribeLines } from './transcription.js';
import { joined } from './utterance.js';
import { RATE, resample, wavOf } from './wav.js';

const LANGUAGES = [
  ['', 'Language: as it is heard'],
  ['en', 'English'],
  ['de', 'German'],
  ['es', 'Spanish'],
  ['fr', 'French'],
  ['it', 'Italian'],
  ['pt', 'Portuguese'],
  ['nl', 'Dutch'],
  ['pl', 'Polish'],
  ['ja', 'Japanese'],
  ['ko', 'Korean'],
  ['zh', 'Chinese'],
  ['hi', 'Hindi'],
  ['ar', 'Arabic'],
  ['ru', 'Russian'],
  ['uk', 'Ukrainian'],
  ['tr', 'Turkish'],
  ['sv', 'Swedish'],
  ['nb', 'Norwegian'],
  ['vi', 'Vietnamese'],
];

const FORM_BYTES = 65536; // more than what stands around the file

let segments = /** @type {import('./subtitles.js').Segment[]} */ ([]);
let name = 'recording';
let abort = /** @type {AbortController|null} */ (null);
let recorder = null;

const note = (text) => {
  byId('transcribe-note').textContent = text;
};

function showDownloads() {
  byId('transcript-buttons').hidden = segments.length === 0;
}

function addLine(segment) {
  segments.push(segment);
  const player = /** @type {HTMLMediaElement|null} */ (document.querySelector('#player > *'));
  const time = el(
    'button.time',
    {
      type: 'button',
      'aria-label': `Play from ${shortClock(segment.start)}`,
      onclick: () => {
        if (!player) return;
        player.currentTime = segment.start;
        void player.play();
      },
    },
    shortClock(segment.start),
  );
  byId('lines').append(el('li', {}, time, el('span', {}, segment.text)));
  showDownloads();
}

/** @param {File|Blob} file */
export async function transcribeFile(file) {
  abort?.abort();
  const ours = new AbortController();
  abort = ours;
  segments = [];
  name = file.name ?? 'recording';
  byId('lines').replaceChildren();
  byId('partial').textContent = '';
  byId('transcribe-error').replaceChildren();
  showDownloads();
  const kind = kindOf({ type: file.type, name, size: file.size });
  const trouble =
    kind === 'audio' || kind === 'video'
      ? troubleWith(file, 'audio', state.info, state.info?.upload_bytes - FORM_BYTES)
      : 'neither sound nor film';
  if (trouble) return fail({ code: 'not_sent', message: `${name}: ${trouble}` });
  const video = kind === 'video';
  byId('player').replaceChildren(
    el(video ? 'video' : 'audio', { src: urlOf(file), controls: true, 'aria-label': name }),
  );
  const began = performance.now();
  note(`${name} is being heard …`);
  byId('transcribe-stop').hidden = false;
  try {
    const options = {
      language: byId('language').value,
      translate: byId('translate').checked,
      signal: ours.signal,
    };
    const partial = (text) => {
      byId('partial').textContent = text;
    };
    const done = await untilAnswered(() => transcribeLines(file, options, addLine, partial), {
      began: () => segments.length > 0 || byId('partial').textContent !== '',
      waits: (text = `${name} is being heard …`) => {
        if (abort === ours) note(text);
      },
      signal: ours.signal,
    });
    if (segments.length === 0 && done.text)
      addLine({ start: 0, end: playerSeconds(), text: done.text });
    const seconds = playerSeconds();
    const took = (performance.now() - began) / 1000;
    note(
      `${name}: ${segments.length} lines${seconds ? `, ${shortClock(seconds)} of sound in ${took.toFixed(1)} s` : ''}`,
    );
    announce(`${segments.length} lines`);
  } catch (error) {
    if (ours.signal.aborted) note(`${name}: stopped`);
    else fail(error, { Retry: () => transcribeFile(file) });
  }
  byId('partial').textContent = '';
  if (abort === ours) byId('transcribe-stop').hidden = true;
}

const playerSeconds = () => {
  const seconds = document.querySelector('#player > *')?.duration;
  return Number.isFinite(seconds) ? seconds : 0;
};

function fail(error, todo = {}) {
  note('');
  byId('transcribe-error').replaceChildren(errorBox(error, todo));
}

function showRecorder() {
  byId('transcribe-record').textContent = recorder ? 'Stop and transcribe' : 'Record';
  byId('transcribe-level').hidden = !recorder;
}

async function record() {
  if (recorder) {
    const { microphone, blocks } = recorder;
    recorder = null;
    microphone.close();
    showRecorder();
    if (blocks.length === 0) return note('');
    const samples = resample(joined(blocks), microphone.rate, RATE);
    return transcribeFile(new File([wavOf(samples)], 'recording.wav', { type: 'audio/wav' }));
  }
  const blocks = [];
  const microphone = new Microphone((block, level) => {
    blocks.push(block);
    byId('transcribe-level').value = Math.min(1, Math.sqrt(level) * 1.6);
  });
  recorder = { microphone, blocks };
  showRecorder();
  note('Opening the microphone …');
  try {
    if (await microphone.open()) note('Recording …');
  } catch (error) {
    microphone.close();
    if (recorder?.microphone !== microphone) return;
    recorder = null;
    showRecorder();
    fail(deviceError('microphone', error), { Retry: record });
  }
}

export function startTranscribe() {
  byId('language').append(...LANGUAGES.map(([value, text]) => el('option', { value }, text)));
  byId('transcribe-pick').addEventListener('click', () => byId('recording-file').click());
  byId('recording-file').addEventListener('change', (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (file) void transcribeFile(file);
  });
  byId('transcribe-record').addEventListener('click', record);
  byId('transcribe-stop').addEventListener('click', () => abort?.abort());
  const save = (id, ending, type, text) =>
    byId(id).addEventListener('click', () =>
      download(fileName(name.replace(/\.\w+$/, ''), ending), text(segments), type),
    );
  save('save-srt', 'srt', 'application/x-subrip', toSrt);
  save('save-vtt', 'vtt', 'text/vtt', toVtt);
  save('save-text', 'txt', 'text/plain', toText);
  byId('copy-transcript').addEventListener('click', (event) =>
    copyText(toText(segments), event.currentTarget),
  );
  showDownloads();
}
