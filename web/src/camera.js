// SPDX-License-Identifier: Apache-2.0
// The camera: take a photo, or live, when its newest frame goes with every question.
import { attachments, changed } from './composer.js';
import { announce, byId, el, iconButton } from './dom.js';
import { deviceError, errorBox } from './error_box.js';
import { state } from './state.js';

const SIDE = 1024; // pixels of a photo's longer side; the model sees 768 at most

let stream = /** @type {MediaStream|null} */ (null);
let facing = 'environment';
let live = false;
let opened = 0; // how often; who was overtaken while waiting gives up

const video = () => /** @type {HTMLVideoElement} */ (byId('camera-picture'));

async function start() {
  stop();
  const ours = opened;
  byId('camera').hidden = false; // where it is closed again, also while it opens
  byId('camera-note').textContent = 'Opening the camera …';
  let found;
  try {
    found = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: facing, width: { ideal: 1280 } },
    });
  } catch (error) {
    if (ours === opened)
      byId('camera-note').replaceChildren(errorBox(deviceError('camera', error)));
    return;
  }
  if (ours !== opened) return found.getTracks().forEach((track) => track.stop());
  stream = found;
  video().srcObject = stream;
  await video()
    .play()
    .catch(() => {}); // it was closed meanwhile
  if (ours !== opened) return;
  showNote();
  byId('shutter').focus();
}

function showNote() {
  byId('camera-note').textContent = live ? 'The newest frame goes with each question.' : '';
}

function stop() {
  opened += 1;
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  video().srcObject = null;
}

function close() {
  stop();
  live = false;
  byId('live').setAttribute('aria-pressed', 'false');
  changed();
  byId('camera').hidden = true;
  byId('open-camera').focus();
}

/** What the camera sees now. @returns {Promise<Blob|null>} */
function frame() {
  const picture = video();
  if (!stream || picture.videoWidth === 0) return Promise.resolve(null);
  const scale = Math.min(1, SIDE / Math.max(picture.videoWidth, picture.videoHeight));
  const canvas = /** @type {HTMLCanvasElement} */ (
    el('canvas', {
      width: Math.round(picture.videoWidth * scale),
      height: Math.round(picture.videoHeight * scale),
    })
  );
  canvas.getContext('2d').drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
}

const nameNow = () => `camera ${new Date().toLocaleTimeString('en-GB')}.jpg`;

/** The frame that goes with a question while the camera is live, else null. */
export async function liveFrame() {
  if (!live) return null;
  const blob = await frame();
  const tokens = state.info?.image_tokens;
  return blob && { kind: 'image', name: nameNow(), type: blob.type, blob, tokens };
}

/** What the frame adds to the next question. */
export const liveTokens = () => (live && stream ? (state.info?.image_tokens ?? 0) : 0);

export function startCamera() {
  byId('open-camera').addEventListener('click', () => (byId('camera').hidden ? start() : close()));
  byId('camera-buttons').prepend(
    el(
      'button.primary',
      {
        type: 'button',
        id: 'shutter',
        onclick: async () => {
          const blob = await frame();
          if (!blob) return;
          announce('Photo taken');
          await attachments.add(blob, nameNow());
        },
      },
      'Take photo',
    ),
    el(
      'button.plain.toggle',
      {
        type: 'button',
        id: 'live',
        'aria-pressed': 'false',
        onclick: (event) => {
          live = !live;
          event.currentTarget.setAttribute('aria-pressed', String(live));
          showNote();
          changed();
        },
      },
      'Live',
    ),
    iconButton('retry', 'Other camera', {
      onclick: () => {
        facing = facing === 'user' ? 'environment' : 'user';
        void start();
      },
    }),
    iconButton('close', 'Close camera', { onclick: close }),
  );
}
