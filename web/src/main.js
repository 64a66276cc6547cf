// SPDX-License-Identifier: Apache-2.0
// The page begins here.
import { get } from './api.js';
import { startCamera } from './camera.js';
import { compareAttachments, startCompare } from './compare.js';
import { attachments, startComposer } from './composer.js';
import { startConnect } from './connect.js';
import { onReturn, whenBack } from './connection.js';
import { startConversationView } from './conversation_view.js';
import { byId } from './dom.js';
import { startDropping } from './dropping.js';
import { notice } from './error_box.js';
import { showLab } from './lab.js';
import { takeKeyFromAddress } from './login.js';
import { startSettings, startSizePicker } from './settings.js';
import { startSidebar } from './sidebar.js';
import { state, tell } from './state.js';
import { startTranscribe, transcribeFile } from './transcribe.js';
import { currentView, startTheme, startViews } from './views.js';
import { startVoice } from './voice.js';

/** The model's facts, however long the server takes to be there. */
async function loadInfo() {
  for (;;) {
    try {
      state.info = await get('/page/info');
      break;
    } catch (error) {
      if (error.code !== 'server_gone') {
        byId('model').textContent = error.code;
        return notice(error, { Retry: loadInfo });
      }
      await whenBack();
    }
  }
  document.title = `${state.info.model} · gemma3n`;
  tell('info');
}

function take(files) {
  if (currentView() === 'transcribe') return void transcribeFile(files[0]);
  if (currentView() === 'compare') return void compareAttachments.addFiles(files);
  if (currentView() !== 'chat') location.hash = '#chat';
  void attachments.addFiles(files);
}

startTheme();
await takeKeyFromAddress();
startConversationView();
startComposer();
startCamera();
startVoice();
startSizePicker();
startSettings();
startDropping(take);
startViews({
  transcribe: startTranscribe,
  compare: startCompare,
  connect: startConnect,
  lab: showLab,
});
await startSidebar();
tell('conversation');
await loadInfo();
onReturn(loadInfo);
