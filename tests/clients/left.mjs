// SPDX-License-Identifier: Apache-2.0
// Whether a server goes on with what its client has aborted.
import assert from "node:assert/strict";

// How many requests' clients have left.
export const gone = async (url, key = "none") => Number(/^gemma3n_cancelled_total (\d+)/m.exec(
  await (await fetch(`${url}/metrics`, { headers: { "x-goog-api-key": key } })).text())[1]);

// Resolves once nothing is answered any more and another client has left than `before`, what gone() was.
export const isLeft = async (url, before, key = "none") => {
  const until = Date.now() + 10_000;
  while ((await (await fetch(`${url}/health`)).json()).active > 0 || await gone(url, key) === before) {
    assert.ok(Date.now() < until, "the server goes on with what was aborted");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
