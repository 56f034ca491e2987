// What all editors of text here share: our nonce, no trap for the Tab key, expressions in a colour of their own, and colours of good
// contrast in light and dark.

import { autocompletion, type Completion, type CompletionContext, type CompletionResult, snippetCompletion } from "@codemirror/autocomplete";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, MatchDecorator, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { nonce } from "../../shell/nonce.ts";
import { complete, FUNCTION_NAMES, type Scope } from "../model/completion.ts";

const marks = new MatchDecorator({ regexp: /(?<!\$)\$\{\{[\s\S]*?\}\}/g, decoration: Decoration.mark({ class: "cm-expression" }) });

const expressions = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = marks.createDeco(view);
    }
    update(update: ViewUpdate) {
      this.decorations = marks.updateDeco(update, this.decorations);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

const look = EditorView.theme({
  "&": { fontSize: "var(--mantine-font-size-xs)", backgroundColor: "transparent", color: "var(--mantine-color-text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--mantine-color-text)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  ".cm-expression": { color: "light-dark(#6b2fa0, #d3b0ff)", backgroundColor: "light-dark(rgb(107 47 160 / 0.09), rgb(211 176 255 / 0.13))", borderRadius: "3px" },
  ".cm-placeholder": { color: "var(--mantine-color-placeholder)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--mantine-color-dimmed)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "light-dark(rgb(11 106 124 / 0.07), rgb(95 205 224 / 0.08))" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--mantine-color-text)", border: "1px solid var(--border)", borderRadius: "6px", zIndex: "400" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--mantine-primary-color-filled)", color: "#fff" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected] .cm-completionDetail": { color: "#fff" },
  ".cm-completionDetail": { color: "var(--mantine-color-dimmed)", fontStyle: "normal", marginLeft: "1em" },
  ".cm-tooltip.cm-completionInfo": { padding: "4px 8px", maxWidth: "22em" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "light-dark(#cfe8ee, #2b4a55) !important" },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "light-dark(#075c6c, #86dceb)" },
  { tag: [tags.string, tags.special(tags.string)], color: "light-dark(#155c2c, #a2e6b9)" },
  { tag: [tags.number, tags.bool, tags.null], color: "light-dark(#7a3e00, #f7cf86)" },
  { tag: [tags.comment, tags.lineComment], color: "light-dark(#4f5962, #b3bec9)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.operator, tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "light-dark(#454e57, #bac3cc)" },
]);

/** For every editor. */
export const ours = (label: string, describedBy?: string): Extension[] => [
  EditorView.cspNonce.of(nonce()),
  EditorView.contentAttributes.of({ "aria-label": label, ...(describedBy ? { "aria-describedby": describedBy } : {}) }),
  look,
  syntaxHighlighting(colours),
  expressions,
];

/** Enter goes to no new line. */
export const oneLine: Extension = EditorState.transactionFilter.of((change) => (change.newDoc.lines > 1 ? [] : change));

/** Offers what an expression may say. */
export function completing(scope: () => Scope, bare: boolean): Extension {
  const source = (context: CompletionContext): CompletionResult | null => {
    const found = complete(context.state.doc.toString(), context.pos, scope(), bare);
    if (!found || !found.options.length) return null;
    const typed = context.pos > found.from || /[.$[{ ]/.test(context.state.sliceDoc(context.pos - 1, context.pos));
    if (!typed && !context.explicit) return null;
    const options = found.options.map((one): Completion => {
      const { apply, ...rest } = one;
      if (one.type === "function" && FUNCTION_NAMES.has(one.label)) return snippetCompletion(`${one.label}(\${})`, rest);
      return apply ? { ...rest, apply } : rest;
    });
    return { from: found.from, options, validFor: /^\w*$/ };
  };
  return autocompletion({ override: [source], activateOnTyping: true, icons: true, closeOnBlur: true, maxRenderedOptions: 60 });
}
