// The nonce of this page's Content-Security-Policy. Libraries that make <style> elements ask for it: Mantine through its
// provider, CodeMirror through EditorView.cspNonce, react-remove-scroll through the global that webpack made customary.

const NONCE = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

(globalThis as { __webpack_nonce__?: string }).__webpack_nonce__ = NONCE;

export const nonce = (): string => NONCE;
