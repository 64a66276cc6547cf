// SPDX-License-Identifier: Apache-2.0
// Bundles the page and writes it as C++ that the server links.
//
//   node web/build.mjs OUT.cc
//
// The same sources give the same bytes. What the page may weigh in all is held here.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const MOST_BYTES = 200_000;
// Packages whose part in reading Markdown is done by the browser, or not wanted.
const STANDINS = ['entities', 'linkify-it', 'punycode.js', 'uc.micro'];
const here = fileURLToPath(new URL('.', import.meta.url));

/** A file of web/, minified and with what it imports. */
async function bundle(name) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [name],
    bundle: true,
    alias: Object.fromEntries(STANDINS.map((name) => [name, './src/standins.js'])),
    minify: true,
    write: false,
    format: 'esm',
    target: ['chrome100', 'firefox100', 'safari15.4'],
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
  });
  return Buffer.from(result.outputFiles[0].contents);
}

/** Markup without the white space that sets it in lines. */
function squeezed(name) {
  return Buffer.from(
    readFileSync(here + name, 'utf8')
      .replace(/<!--[^]*?-->/g, '')
      .replace(/\n\s*/g, '\n')
      .trim() + '\n',
  );
}

/** A C++ literal of these bytes. */
function literal(bytes) {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0x22 || byte === 0x5c) text += '\\' + String.fromCharCode(byte);
    else if (byte === 0x3f)
      text += '\\?'; // no trigraphs
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += '\\' + byte.toString(8).padStart(3, '0');
    if (byte === 0x0a) text += '"\n"';
  }
  return `"${text}"`;
}

const files = [
  ['/', 'text/html; charset=utf-8', squeezed('index.html')],
  ['/page/app.js', 'text/javascript; charset=utf-8', await bundle('src/main.js')],
  ['/page/recorder.js', 'text/javascript; charset=utf-8', await bundle('src/recorder_worklet.js')],
  ['/page/style.css', 'text/css; charset=utf-8', await bundle('style/page.css')],
  ['/page/icon.svg', 'image/svg+xml', squeezed('icon.svg')],
];
const total = files.reduce((sum, [, , bytes]) => sum + bytes.length, 0);
if (total >= MOST_BYTES) {
  throw new Error(`the page has ${total} bytes, expected less than ${MOST_BYTES}`);
}

const entries = files.map(([path, type, bytes]) => {
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 32);
  return `    {"${path}", "${type}", "\\"${etag}\\"",\n     std::string_view(${literal(bytes)}, ${bytes.length})},`;
});
writeFileSync(
  process.argv[2],
  `// Written by web/build.mjs.
#include "server/page_files.h"

namespace gemma3n::server {
namespace {

constexpr PageFile kFiles[] = {
${entries.join('\n')}
};

}  // namespace

std::span<const PageFile> PageFiles() {
  return kFiles;
}

}  // namespace gemma3n::server
`,
);
console.log(`the page: ${total} bytes in ${files.length} files`);
