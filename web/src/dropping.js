// SPDX-License-Identifier: Apache-2.0
// Files dropped or pasted anywhere on the page go to the view that is shown.
import { byId } from './dom.js';

/** @param {(files: File[]) => void} take */
export function startDropping(take) {
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
  document.addEventListener('dragenter', (event) => {
    if (!holdsFiles(event)) return;
    depth += 1;
    byId('drop').hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    if (!holdsFiles(event)) return;
    depth -= 1;
    if (depth <= 0) byId('drop').hidden = true;
  });
  document.addEventListener('dragover', (event) => {
    if (holdsFiles(event)) event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    depth = 0;
    byId('drop').hidden = true;
    take([...event.dataTransfer.files]);
  });
  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
}
