// SPDX-License-Identifier: Apache-2.0
// A server that is gone or busy before an answer began is waited for, and asked again.
import { ApiError } from './api.js';
import { isGone, lost, whenBack } from './connection.js';

const MOST_WAITS = 8; // for a busy server

const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('stopped', 'AbortError'));
    });
  });

/**
 * @template T
 * @param {() => Promise<T>} ask
 * @param {{began: () => boolean, waits: (text: string|undefined) => void, signal: AbortSignal}} on
 *   `began`: something has come, so that an error is the end; `waits` is told for what, and undefined
 *   at the end of it
 */
export async function untilAnswered(ask, { began, waits, signal }) {
  for (let attempt = 0; ; ++attempt) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !(error instanceof ApiError) || began()) throw error;
      const { code, status, retryAfter } = /** @type {any} */ (error);
      if (code === 'server_gone' || code === 'shutting_down' || code === 'model_loading') {
        if (!isGone()) lost();
        waits('Waiting for the server; it will be asked again.');
        await whenBack(signal);
      } else if (status === 429 && code === 'server_busy' && attempt < MOST_WAITS) {
        const seconds = Math.max(retryAfter, Math.min(2 ** attempt, 30));
        waits(`The server is busy. Asking again in ${seconds} s.`);
        await pause(seconds * 1000, signal);
      } else throw error;
      waits(undefined);
    }
  }
}
