// SPDX-License-Identifier: Apache-2.0
// Files dropped or pasted anywhere on the page go to the view that is shown.
import { byId } from './dom.js';

// Cells of a table come as text and as a picture of it, and a field wants the text; a file that was
// copied may come with its name as text.
function isText({ target, clipboardData }, files) {
  const text = clipboardData.getData('text/plain').trim();
  return (
    text !== '' &&
    target instanceof Element &&
    target.matches('textarea, input') &&
    !files.some((file) => text.endsWith(file.name))
  );
}

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
    if (files.length === 0 || isText(event, files)) return;
    event.preventDefault();
    take(files);
  });
}
