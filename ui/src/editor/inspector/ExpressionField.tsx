// A text in which expressions may stand: completed from what ran before, coloured, and told apart from plain text. What is wrong
// stands under it.

import { Input } from "@mantine/core";
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { forceLinting, linter } from "@codemirror/lint";
import { type Extension, Prec } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import CodeMirror, { type ReactCodeMirrorRef } from "@uiw/react-codemirror";
import { type ReactNode, useEffect, useId, useMemo, useRef } from "react";
import { useEditor } from "../context.ts";
import { useLatest } from "../latest.ts";
import { type Scope, unknownName } from "../model/completion.ts";
import { spansIn } from "../model/references.ts";
import { completing, oneLine, ours } from "../text/codemirror.ts";
import css from "./Inspector.module.css";

export interface ExpressionFieldProps {
  label: string;
  description?: string | undefined;
  value: string;
  onChange: (text: string) => void;
  scope: Scope;
  /** The whole text is one expression, with or without `${{ }}`. */
  bare?: boolean;
  /** No expression may stand here: it is taken as it is. */
  literal?: boolean;
  /** `tall` begins with several lines. */
  multiline?: boolean | "tall";
  placeholder?: string | undefined;
  error?: string | undefined;
  required?: boolean;
  /** Stands right of the label. */
  aside?: ReactNode;
  hideLabel?: boolean;
  pointer: string;
  extensions?: Extension[];
}

const BASIC = { lineNumbers: false, foldGutter: false, highlightActiveLine: false, highlightActiveLineGutter: false, searchKeymap: false, autocompletion: false, closeBrackets: false, lintKeymap: true };

export function ExpressionField(props: ExpressionFieldProps) {
  const { label, description, value, onChange, scope, bare = false, literal = false, multiline = false, placeholder, error, required = false, aside, hideLabel = false, pointer } = props;
  const { store } = useEditor();
  const now = useLatest({ scope, store });
  const view = useRef<ReactCodeMirrorRef>(null);
  const id = useId();
  const more = props.extensions;
  const extensions = useMemo(() => {
    const list: Extension[] = [...ours(label, `${id}-about`), EditorView.lineWrapping];
    if (more) list.push(...more);
    if (!literal) {
      list.push(completing(() => now.current.scope, bare), closeBrackets(), Prec.high(keymap.of(closeBracketsKeymap)));
      list.push(
        linter(
          (editor) => {
            const text = editor.state.doc.toString();
            const spans = spansIn(text);
            const sources = spans.length || !bare ? spans : [{ source: text, start: 0 }];
            return sources.flatMap((span) => {
              const wrong = unknownName(span.source, now.current.scope, now.current.store.doc);
              return wrong ? [{ from: span.start + wrong.from, to: Math.min(text.length, span.start + wrong.to), severity: "error" as const, message: wrong.message }] : [];
            });
          },
          { delay: 200 },
        ),
      );
    }
    if (!multiline) list.push(oneLine);
    return list;
  }, [label, id, literal, bare, multiline, more, now]);
  useEffect(() => {
    if (view.current?.view && !literal) forceLinting(view.current.view);
  }, [scope, literal]);
  return (
    <Input.Wrapper
      label={
        hideLabel ? undefined : (
          <span className={css.labelRow}>
            <span>
              {label}
              {required ? (
                <span className={css.asterisk} aria-hidden>
                  {" "}
                  *
                </span>
              ) : null}
            </span>
            {aside}
          </span>
        )
      }
      labelElement="div"
      description={description}
      error={error}
      data-pointer={pointer}
      classNames={{ label: css.wide ?? "" }}
    >
      <div className={css.code} data-wrong={error ? true : undefined} data-lines={multiline === "tall" || undefined}>
        <CodeMirror
          ref={view}
          value={value}
          onChange={onChange}
          extensions={extensions}
          theme="none"
          basicSetup={BASIC}
          indentWithTab={false}
          placeholder={placeholder ?? ""}
        />
      </div>
      <span id={`${id}-about`} hidden>
        {[required ? "required" : "", description ?? "", literal ? "" : "expressions: type ${{", error ?? ""].filter(Boolean).join(". ")}
      </span>
    </Input.Wrapper>
  );
}
