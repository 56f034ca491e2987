// The layout, beside the page.

import { type Asked, placed } from "./layout.ts";

self.addEventListener("message", (event: MessageEvent<Asked>) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- workers have no origin to name
  self.postMessage(placed(event.data));
});
