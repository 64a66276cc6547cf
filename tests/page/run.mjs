// SPDX-License-Identifier: Apache-2.0
// Runs the tests of the page, a file after another.
//
//   run.mjs GEMMA3N [FILE..]
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [gemma3n, ...named] = process.argv.slice(2);
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(chromium)) {
  console.log(
    `skipped: the page is tested in ${chromium}, which is not there (tools/install_debian.sh --page-tests)`,
  );
  process.exit(77);
}
const here = fileURLToPath(new URL('.', import.meta.url));
const files = named.length
  ? named
  : readdirSync(here)
      .filter((name) => name.endsWith('.test.mjs'))
      .sort();
const failed = files.filter((name) => {
  const { status } = spawnSync(process.execPath, [join(here, name)], {
    stdio: 'inherit',
    env: { ...process.env, GEMMA3N: gemma3n, CHROMIUM: chromium },
  });
  return status !== 0;
});
if (failed.length) console.log(`failed: ${failed.join(', ')}`);
process.exit(failed.length ? 1 : 0);
