// The document as text, beside the canvas. What is typed here is drawn there at once, and what is drawn there is written here, comments
// and all. Errors stand at their line; the server's too.

import { yaml } from "@codemirror/lang-yaml";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { Prec } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import CodeMirror, { type ReactCodeMirrorRef } from "@uiw/react-codemirror";
import { useEffect, useMemo, useRef } from "react";
import { useDocument, useEditor } from "../context.ts";

import { useLatest } from "../latest.ts";
import { pathOf } from "../model/json.ts";
import { pathAt, rangeOf } from "../model/yaml.ts";
import { ours } from "./codemirror.ts";
import css from "./Text.module.css";

const BASIC = { foldGutter: true, autocompletion: false, searchKeymap: true, history: false };

export function YamlView() {
  const editor = useEditor();
  const state = useDocument();
  const { store, problems } = editor;
  const view = useRef<ReactCodeMirrorRef>(null);
  const hand = useRef(false); // the selection was moved here, so it is not brought into view again
  const now = useLatest(editor);
  const { text, selection } = state;

  const extensions = useMemo(
    () => [
      yaml(),
      ...ours("Workflow as YAML"),
      lintGutter(),
      EditorView.lineWrapping,
      // one history for the text and the canvas: an undo here undoes what was last done, wherever
      Prec.highest(
        keymap.of([
          { key: "Mod-z", run: () => (now.current.undo(), true), preventDefault: true },
          { key: "Mod-y", mac: "Mod-Shift-z", run: () => (now.current.redo(), true), preventDefault: true },
          { key: "Mod-Shift-z", run: () => (now.current.redo(), true), preventDefault: true },
        ]),
      ),
      // oxlint-disable-next-line react/refs -- it is read when the cursor moves, not when this is drawn
      EditorView.updateListener.of((update) => {
        if (!update.selectionSet || update.docChanged || !update.view.hasFocus || !update.transactions.some((one) => one.isUserEvent("select"))) return;
        const [head, second] = pathAt(update.state.doc.toString(), update.state.selection.main.head);
        hand.current = true;
        if (head === "nodes" && typeof second === "string") now.current.store.select({ nodes: [second] });
        else if (head === "edges" && typeof second === "number") now.current.store.select({ edges: [second] });
      }),
    ],
    [now],
  );

  useEffect(() => {
    const target = view.current?.view;
    if (!target) return;
    const length = target.state.doc.length;
    const clamp = (at: number) => Math.max(0, Math.min(length, at));
    const found: Diagnostic[] = state.problems.map((one) => ({ from: clamp(one.from), to: clamp(one.to), severity: "error", message: one.message }));
    if (!found.length)
      for (const one of problems.all.slice(0, 50)) {
        const range = rangeOf(text, pathOf(one.pointer)) ?? { from: 0, to: Math.min(1, length) };
        const to = Math.min(clamp(range.to), target.state.doc.lineAt(clamp(range.from)).to);
        found.push({ from: clamp(range.from), to, severity: one.severity === "warning" ? "warning" : "error", message: one.hint ? `${one.message}: ${one.hint}` : one.message });
      }
    target.dispatch(setDiagnostics(target.state, found));
  }, [state.problems, problems, text]);

  useEffect(() => {
    const target = view.current?.view;
    if (hand.current) {
      hand.current = false;
      return;
    }
    if (!target || target.hasFocus) return;
    const name = selection.nodes[0];
    const path = name !== undefined ? ["nodes", name] : selection.edges[0] === undefined ? null : ["edges", selection.edges[0]];
    const range = path && rangeOf(store.get().text, path);
    if (range && range.from <= target.state.doc.length) target.dispatch({ selection: { anchor: range.from }, effects: EditorView.scrollIntoView(range.from, { y: "nearest", yMargin: 60 }) });
  }, [selection, store]);

  return (
    <section className={css.yaml} aria-label="YAML" data-testid="yaml">
      <CodeMirror ref={view} className={css.editor ?? ""} value={text} onChange={(next) => store.write(next)} extensions={extensions} theme="none" basicSetup={BASIC} indentWithTab={false} height="100%" />
      {state.problems[0] ? (
        <div className={css.broken} role="alert">
          Line {state.problems[0].line}: {state.problems[0].message}. The canvas shows what was right last.
        </div>
      ) : null}
    </section>
  );
}
