// SPDX-License-Identifier: Apache-2.0
// Whether the server is there. While it is not, a banner says so and it is asked again, each time
// after a longer while.
import { announce, byId, el } from './dom.js';

const DELAYS = [1, 2, 4, 8, 15, 30]; // seconds
let gone = false;
let timer = 0;
let attempt = 0;
let waiting = /** @type {(() => void)[]} */ ([]);

export const isGone = () => gone;

const atReturns = /** @type {(() => void)[]} */ ([]);
/** Is called each time the server has come back; it may be another one then. */
export const onReturn = (callback) => atReturns.push(callback);

/** Resolves once the server answers. @param {AbortSignal} [signal] */
export function whenBack(signal) {
  if (!gone) return Promise.resolve();
  return new Promise((resolve, reject) => {
    waiting.push(resolve);
    signal?.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
  });
}

/** A request did not reach it. */
export function lost() {
  if (gone) return;
  gone = true;
  attempt = 0;
  schedule();
}

function schedule() {
  const seconds = DELAYS[Math.min(attempt, DELAYS.length - 1)];
  attempt += 1;
  let left = seconds;
  const tick = () => {
    if (left <= 0) return void check();
    show(`The server is gone. Nothing you typed is lost. Asking again in ${left} s.`);
    left -= 1;
    timer = window.setTimeout(tick, 1000);
  };
  clearTimeout(timer);
  tick();
  if (attempt === 1) announce('The server is gone. Nothing you typed is lost.');
}

async function check() {
  clearTimeout(timer);
  try {
    const response = await fetch('/health', { cache: 'no-store' });
    const health = await response.json();
    if (health.status !== 'ok') throw new Error(health.status);
  } catch {
    return schedule();
  }
  gone = false;
  byId('banner').replaceChildren();
  announce('The server is back.');
  const ready = waiting;
  waiting = [];
  ready.forEach((resolve) => resolve());
  atReturns.forEach((callback) => callback());
}

function show(text) {
  // It changes each second; who listens was told once.
  const banner = byId('banner');
  if (banner.firstChild) {
    banner.querySelector('span').textContent = text;
    return;
  }
  banner.append(
    el(
      'section',
      { 'aria-label': 'Connection' },
      el(
        'p',
        {},
        el('span', {}, text),
        el('button.plain', { type: 'button', onclick: check }, 'Ask now'),
      ),
    ),
  );
}
