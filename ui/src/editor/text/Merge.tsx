// Two texts side by side, and what differs. The right one may be edited, and takes over a difference with the arrow between.

import { yaml } from "@codemirror/lang-yaml";
import { MergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { useEffect, useRef, useState } from "react";
import { useLatest } from "../latest.ts";
import { ours } from "./codemirror.ts";
import css from "./Text.module.css";

interface MergeProps {
  left: string;
  right: string;
  leftLabel: string;
  rightLabel: string;
  /** Given: the right text may be changed. */
  onChange?: (text: string) => void;
}

export default function Merge({ left, right, leftLabel, rightLabel, onChange }: MergeProps) {
  const frame = useRef<HTMLDivElement>(null);
  const change = useLatest(onChange);
  const editable = onChange !== undefined;
  const [first] = useState(right); // what is edited is not written over by what was edited
  const shown = editable ? first : right;
  useEffect(() => {
    if (!frame.current) return;
    const base = [yaml(), lineNumbers(), EditorView.lineWrapping];
    const fixed = [EditorState.readOnly.of(true), EditorView.editable.of(false), EditorView.contentAttributes.of({ tabindex: "0", role: "textbox", "aria-multiline": "true", "aria-readonly": "true" })];
    const view = new MergeView({
      parent: frame.current,
      a: { doc: left, extensions: [...base, ...ours(leftLabel), ...fixed] },
      b: {
        doc: shown,
        extensions: [
          ...base,
          ...ours(rightLabel),
          ...(editable ? [history(), keymap.of([...defaultKeymap, ...historyKeymap]), EditorView.updateListener.of((update) => update.docChanged && change.current?.(update.state.doc.toString()))] : fixed),
        ],
      },
      gutter: true,
      highlightChanges: true,
      collapseUnchanged: { margin: 3, minSize: 6 },
      ...(editable ? { revertControls: "a-to-b" as const } : {}),
    });
    return () => view.destroy();
  }, [left, shown, leftLabel, rightLabel, editable, change]);
  return <div ref={frame} className={css.merge} />;
}
