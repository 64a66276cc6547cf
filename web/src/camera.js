// SPDX-License-Identifier: Apache-2.0
// The camera: take a photo, or live, when its newest frame goes with every question.
import { attachments } from './composer.js';
import { announce, byId, el, iconButton } from './dom.js';

const SIDE = 1024; // pixels of a photo's longer side; the model sees 768 at most

let stream = /** @type {MediaStream|null} */ (null);
let facing = 'environment';
let live = false;

const video = () => /** @type {HTMLVideoElement} */ (byId('camera-picture'));

async function start() {
  stop();
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: facing, width: { ideal: 1280 } },
    });
  } catch (error) {
    byId('camera-note').textContent =
      `No camera: ${error.message || error.name}.` +
      (window.isSecureContext ? '' : ' Browsers give it only to https and localhost.');
    byId('camera').hidden = false;
    return;
  }
  byId('camera-note').textContent = '';
  video().srcObject = stream;
  byId('camera').hidden = false;
  await video().play();
  byId('shutter').focus();
}

function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  video().srcObject = null;
}

function close() {
  stop();
  live = false;
  byId('live').setAttribute('aria-pressed', 'false');
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
  return blob && { kind: 'image', name: nameNow(), type: blob.type, blob, tokens: undefined };
}

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
          byId('camera-note').textContent = live ? 'The newest frame goes with each question.' : '';
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
