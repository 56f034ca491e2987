// What differs, in words: each part with what it was and what it is.

import { Text } from "@mantine/core";
import type { Change, Comparison, Verdict as Is } from "../editor/model/compare.ts";
import css from "./Compare.module.css";
import { Verdict } from "./Verdict.tsx";

export function Changes({ found }: { found: Comparison }) {
  const parts: { key: string; name: string; verdict: Is; changes: Change[] }[] = [
    ...found.nodes.filter((one) => one.verdict !== "same").map((one) => ({ key: `n${one.name}`, name: one.name, verdict: one.verdict, changes: one.changes })),
    ...found.edges.filter((one) => one.verdict !== "same").map((one) => ({ key: `e${one.from}>${one.to}`, name: `${one.from} → ${one.to}`, verdict: one.verdict, changes: one.changes })),
    ...(found.workflow.length ? [{ key: "w", name: "Workflow", verdict: "changed" as const, changes: found.workflow }] : []),
  ];
  return (
    <section className={css.changes} aria-label="What differs">
      <h2 className={css.heading}>What differs</h2>
      {parts.length === 0 ? <Text size="sm" c="dimmed">Nothing.</Text> : null}
      <ul className={css.list}>
        {parts.map((part) => (
          <li key={part.key}>
            <div className={css.part}>
              <Verdict is={part.verdict} />
              <strong>{part.name}</strong>
            </div>
            {part.changes.length ? (
              <dl className={css.fields}>
                {part.changes.map((one) => (
                  <div key={one.pointer}>
                    <dt>{one.pointer.slice(1).replaceAll("/", ".")}</dt>
                    {one.old === undefined ? null : <dd data-verdict="removed"><span className="visually-hidden">was </span>− {short(one.old)}</dd>}
                    {one.new === undefined ? null : <dd data-verdict="added"><span className="visually-hidden">is </span>+ {short(one.new)}</dd>}
                  </div>
                ))}
              </dl>
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

function short(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 399)}…` : text;
}
