// SPDX-License-Identifier: Apache-2.0
// Requests to the server that the page came from, and to nobody else.
import { lost } from './connection.js';
import { askForKey, declineCount, loginCount } from './login.js';
import { events } from './sse.js';

/** What a request failed with: the server's own words where it had any. */
export class ApiError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message, { status = 0, param = '', requestId = '', retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { code, status, param, requestId, retryAfter });
  }

  /** For "Copy details". */
  get details() {
    const { code, status, param, requestId } = /** @type {any} */ (this);
    return JSON.stringify(
      {
        code,
        message: this.message,
        status,
        param,
        request: requestId,
        at: new Date().toISOString(),
        page: location.origin,
      },
      null,
      1,
    );
  }
}

async function errorOf(response) {
  const requestId = response.headers.get('x-request-id') ?? '';
  const retryAfter = Number(response.headers.get('retry-after') ?? 0);
  let found = null;
  try {
    found = (await response.json()).error;
  } catch {
    /* a proxy's answer, or none */
  }
  return new ApiError(
    found?.code ?? `http_${response.status}`,
    found?.message ?? `the server answered ${response.status}`,
    { status: response.status, param: found?.param ?? '', requestId, retryAfter },
  );
}

/**
 * @param {string} path @param {RequestInit & {json?: any}} [options]
 * @returns {Promise<Response>} one that is ok; throws ApiError, and AbortError as it is
 */
export async function request(path, options = {}) {
  const { json, ...init } = options;
  if (json !== undefined) {
    init.method = 'POST';
    init.headers = { 'Content-Type': 'application/json', ...init.headers };
    init.body = JSON.stringify(json);
  }
  for (;;) {
    let response;
    const before = loginCount(),
      declined = declineCount();
    try {
      response = await fetch(path, { credentials: 'same-origin', ...init });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      lost();
      throw new ApiError('server_gone', 'The server cannot be reached. Is it running?');
    }
    if (response.ok) return response;
    if (response.status === 401) {
      const asks = () => declineCount() === declined && askForKey();
      if (loginCount() !== before || (await asks())) continue;
    }
    throw await errorOf(response);
  }
}

/** @returns {Promise<any>} */
export const get = async (path) => (await request(path)).json();
/** @returns {Promise<any>} */
export const post = async (path, json, signal) => (await request(path, { json, signal })).json();

/**
 * The events of a stream, as JSON, until "[DONE]" or its end. A stream that breaks off throws.
 * @param {string} path @param {RequestInit & {json?: any}} options
 */
export async function* stream(path, options) {
  const response = await request(path, options);
  if (!response.body) throw new ApiError('no_stream', 'the answer has no body');
  try {
    for await (const data of events(response.body)) {
      if (data === '[DONE]') return;
      const event = JSON.parse(data);
      if (event.error)
        throw new ApiError(
          event.error.code ?? 'error',
          event.error.message ?? 'the answer failed',
          { requestId: response.headers.get('x-request-id') ?? '' },
        );
      yield event;
    }
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted) throw error;
    lost();
    throw new ApiError('server_gone', 'The connection broke off in the middle of the answer.');
  }
}
