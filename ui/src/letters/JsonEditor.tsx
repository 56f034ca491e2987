// A JSON value as text that can be changed. What is no JSON is said while it is typed.

import { Input } from "@mantine/core";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { linter } from "@codemirror/lint";
import CodeMirror, { EditorView } from "@uiw/react-codemirror";
import { useMemo } from "react";
import { editorLook } from "../run/editorLook.ts";
import { nonce } from "../shell/nonce.ts";
import css from "./JsonEditor.module.css";

interface JsonEditorProps {
  label: string;
  description?: string;
  text: string;
  onChange: (text: string) => void;
  error?: string | null;
  readOnly?: boolean;
  maxHeight?: string;
}

export default function JsonEditor({ label, description, text, onChange, error = null, readOnly = false, maxHeight = "50vh" }: JsonEditorProps) {
  const extensions = useMemo(
    () => [
      json(),
      editorLook,
      linter(jsonParseLinter()),
      EditorView.lineWrapping,
      EditorView.cspNonce.of(nonce()),
      EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }), // axe does not see that it can be focused otherwise
    ],
    [label],
  );
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <CodeMirror className={css.editor ?? ""} value={text} onChange={onChange} extensions={extensions} theme="none" maxHeight={maxHeight} readOnly={readOnly} indentWithTab={false} />
    </Input.Wrapper>
  );
}
