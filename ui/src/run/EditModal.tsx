// A JSON value in an editor of its own, and something that is done with it.

import { Button, Group, Input, Modal, Stack } from "@mantine/core";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { linter } from "@codemirror/lint";
import CodeMirror, { EditorView } from "@uiw/react-codemirror";
import { useMemo, useState } from "react";
import { Problem } from "../parts/Problem.tsx";
import { nonce } from "../shell/nonce.ts";
import css from "./EditModal.module.css";
import { editorLook } from "./editorLook.ts";
import { useWhole } from "./values.ts";
import { Waiting } from "./Waiting.tsx";

interface EditModalProps {
  title: string;
  label: string;
  value: unknown;
  runId: string;
  /** What is done, in a word */
  go: string;
  onDone: (value: unknown) => Promise<void>;
  onClose: () => void;
}

export default function EditModal(props: EditModalProps) {
  const { value, error } = useWhole(props.value, props.runId);
  return (
    <Modal opened onClose={props.onClose} title={props.title} size="xl">
      {error ? <Problem error={error} /> : value === undefined ? <Waiting /> : <Editor {...props} value={value} />}
    </Modal>
  );
}

function Editor({ label, value, go, onDone, onClose }: EditModalProps) {
  const [text, setText] = useState(() => JSON.stringify(value, null, 2));
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const extensions = useMemo(
    () => [json(), editorLook, linter(jsonParseLinter()), EditorView.lineWrapping, EditorView.cspNonce.of(nonce()), EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" })],
    [label],
  );
  const parsed = useMemo(() => read(text), [text]);
  const submit = async () => {
    if ("wrong" in parsed) return;
    setBusy(true);
    setError(null);
    try {
      await onDone(parsed.value);
      onClose();
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack>
      <Input.Wrapper label={label} error={"wrong" in parsed ? parsed.wrong : null}>
        <CodeMirror className={css.editor ?? ""} value={text} onChange={setText} extensions={extensions} theme="none" maxHeight="55vh" />
      </Input.Wrapper>
      {error ? <Problem error={error} /> : null}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        <Button loading={busy} disabled={"wrong" in parsed} onClick={() => void submit()}>
          {go}
        </Button>
      </Group>
    </Stack>
  );
}

function read(text: string): { value: unknown } | { wrong: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : "this is no JSON" };
  }
}
