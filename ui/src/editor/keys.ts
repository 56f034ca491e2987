// The keys of the editor, wherever the focus is and nothing is being typed; and the clipboard, as JSON.

import { useEffect } from "react";
import { announce } from "../shell/announce.tsx";
import { isTyping } from "../shell/shortcuts.ts";
import type { Editor } from "./context.ts";
import { useLatest } from "./latest.ts";
import { nodesOf } from "./model/document.ts";

const inDialogue = (target: EventTarget | null) => target instanceof Element && target.closest("[role=dialog]") !== null;
/** Text that a person has marked is what a person wants to copy. */
const marked = () => (window.getSelection()?.toString() ?? "") !== "";

export function useKeys(editor: Editor): void {
  const now = useLatest(editor);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { store, undo, redo, remove, duplicate, setInserting, saver } = now.current;
      const mod = event.metaKey || event.ctrlKey;
      const key = event.key.toLowerCase();
      if (inDialogue(event.target)) return;
      if (mod && key === "k") {
        // here it adds a node; the search stays in the head of the page
        event.preventDefault();
        event.stopImmediatePropagation();
        setInserting({ after: store.get().selection.nodes[0] ?? null, at: null });
        return;
      }
      if (mod && key === "s") {
        event.preventDefault();
        void saver.flush().then((saved) => announce(saved ? "Saved" : "Not saved"));
        return;
      }
      if (isTyping(event.target)) return;
      const { selection } = store.get();
      if (mod && key === "z") (event.shiftKey ? redo : undo)();
      else if (mod && key === "y") redo();
      else if (mod && key === "d") duplicate(selection.nodes);
      else if (mod && key === "a") store.select({ nodes: nodesOf(store.doc).map(([name]) => name) });
      else if (!mod && (key === "delete" || key === "backspace")) remove(selection);
      else if (key === "escape" && selection.nodes.length + selection.edges.length) store.select({});
      else return;
      event.preventDefault();
    };
    const onCopy = (event: ClipboardEvent) => {
      if (isTyping(event.target) || inDialogue(event.target) || marked()) return;
      const { store, copy, remove } = now.current;
      const names = store.get().selection.nodes;
      const text = copy(names);
      if (!text) return;
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
      if (event.type === "cut") remove({ nodes: names, edges: [] });
    };
    const onPaste = (event: ClipboardEvent) => {
      if (isTyping(event.target) || inDialogue(event.target)) return;
      const text = event.clipboardData?.getData("text/plain");
      if (text && now.current.paste(text)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey, true);
    document.addEventListener("copy", onCopy);
    document.addEventListener("cut", onCopy);
    document.addEventListener("paste", onPaste);
    return () => {
      window.removeEventListener("keydown", onKey, true);
      document.removeEventListener("copy", onCopy);
      document.removeEventListener("cut", onCopy);
      document.removeEventListener("paste", onPaste);
    };
  }, [now]);
}
