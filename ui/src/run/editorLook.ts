// How the editor looks: in the colours of the page, so that light and dark need nothing of their own, and with a contrast of 4.5:1.

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export const editorLook = [
  EditorView.theme({
    "&": { color: "var(--mantine-color-text)", backgroundColor: "var(--surface)" },
    ".cm-content": { fontFamily: "var(--mono)", caretColor: "var(--mantine-color-text)" },
    ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
    ".cm-gutters": { color: "var(--mantine-color-dimmed)", backgroundColor: "var(--surface)", borderRight: "1px solid var(--border)" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
    "&.cm-focused": { outline: "2px solid var(--tone-busy)", outlineOffset: "-2px" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in srgb, var(--tone-busy) 22%, transparent) !important" },
    ".cm-matchingBracket": { outline: "1px solid var(--tone-busy)", backgroundColor: "transparent !important" },
  }),
  syntaxHighlighting(
    HighlightStyle.define([
      { tag: tags.propertyName, color: "var(--tone-busy)" },
      { tag: tags.string, color: "var(--tone-good)" },
      { tag: [tags.number, tags.bool, tags.null], color: "var(--tone-warn)" },
      { tag: tags.punctuation, color: "var(--mantine-color-dimmed)" },
    ]),
  ),
];
