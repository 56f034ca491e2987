// All that is wrong, each a way to its place.

import { Text, UnstyledButton } from "@mantine/core";
import { IconAlertCircle, IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import type { Wrong } from "../api/schema.d.ts";
import { useDocument, useEditor } from "./context.ts";
import css from "./Editor.module.css";
import { placeInWords, type Problems } from "./model/problems.ts";

export function ProblemList({ preflight }: { preflight: Problems }) {
  const { problems } = useEditor();
  if (problems.all.length + preflight.all.length === 0)
    return (
      <Text size="sm" p="sm" className={css.none ?? ""}>
        <IconCheck size={16} aria-hidden /> Nothing is wrong.
      </Text>
    );
  return (
    <ul className={css.problems} aria-label="Problems">
      {problems.all.map((one, n) => (
        <Row key={n} one={one} />
      ))}
      {preflight.all.map((one, n) => (
        <Row key={`before${n}`} one={{ ...one, severity: "warning" }} />
      ))}
    </ul>
  );
}

function Row({ one }: { one: Wrong }) {
  const { jump } = useEditor();
  const { doc } = useDocument();
  const warning = one.severity === "warning";
  return (
    <li>
      <UnstyledButton className={css.problem} onClick={() => jump(one.pointer)}>
        {warning ? <IconAlertTriangle size={15} className={css.warn} aria-label="Warning" /> : <IconAlertCircle size={15} className={css.bad} aria-label="Error" />}
        <span className={css.problemPlace}>{placeInWords(doc, one.pointer)}</span>
        <span>
          {one.message}
          {one.hint ? ` (${one.hint})` : ""}
        </span>
      </UnstyledButton>
    </li>
  );
}
