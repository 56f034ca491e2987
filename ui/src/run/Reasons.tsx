// Why a step did what it did: which server was chosen and against which others, what policies said, which limits refused,
// and what consents and breakers had to do with it.

import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import { said } from "../model/calls.ts";
import type { Fields } from "../model/events.ts";
import type { Said, StepView } from "../model/view.ts";
import css from "./Reasons.module.css";

export function Reasons({ step }: { step: StepView }) {
  return (
    <>
      <Routes of={said(step, "route.chosen")} />
      <Decisions of={said(step, "policy.decided")} />
      <List
        title="Refused by limits"
        of={said(step, "spend.refused")}
        line={({ data }) => `${data["asked"]} ${data["limit"]} asked for, ${data["left"]} left of this ${data["level"] ?? "run"}${data["per"] ? ` for the ${data["per"]}` : ""}`}
      />
      <List title="Consents" of={said(step, "consent.given")} line={({ data }) => `${data["server"]} as a fallback: ${data["granted"] ? "allowed" : "refused"} by ${data["by"]}`} />
      <List title="Breakers" of={said(step, "breaker.moved")} line={({ data }) => `${data["subject"]}: ${String(data["state"]).replace("_", " ")}`} />
    </>
  );
}

/** The candidates for a call, with score and reason; the chosen one first. */
export function Routes({ of }: { of: readonly Said[] }) {
  if (of.length === 0) return null;
  return (
    <section>
      <h3>Why this server</h3>
      {of.map((one) => (
        <div key={one.seq} className={css.route}>
          <p>
            <b>{one.data["tool"]}</b> went to <b>{one.data["chosen"]}</b>
            {one.data["fallback"] ? ", which is only a fallback" : ""}
          </p>
          <Table verticalSpacing={3} horizontalSpacing="xs" fz="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Server</Table.Th>
                <Table.Th>Tool</Table.Th>
                <Table.Th ta="right">Score</Table.Th>
                <Table.Th>Because</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {((one.data["candidates"] ?? []) as Fields[]).map((candidate, n) => (
                <Table.Tr key={n} data-chosen={candidate["chosen"] || undefined} className={css.candidate}>
                  <Table.Td>
                    {candidate["server"]}
                    {candidate["chosen"] ? <span className={css.chosen}> chosen</span> : null}
                  </Table.Td>
                  <Table.Td>{candidate["tool"]}</Table.Td>
                  <Table.Td ta="right">{typeof candidate["score"] === "number" ? Math.round(candidate["score"] * 1000) / 1000 : String(candidate["score"] ?? "–")}</Table.Td>
                  <Table.Td>{candidate["reason"]}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      ))}
    </section>
  );
}

export function Decisions({ of }: { of: readonly Said[] }) {
  return <List title="Policies" of={of} line={decided} />;
}

function decided({ data }: Said): ReactNode {
  const found = Object.entries((data["found"] ?? {}) as Record<string, number>).map(([kind, times]) => `${times} ${kind}`);
  return (
    <>
      <b>{data["policy"]}</b> at {data["point"]}:{" "}
      <span data-then={data["then"]} className={css.then}>
        {String(data["then"]).replace("_", " ")}
      </span>
      {data["message"] ? `. ${data["message"]}` : ""}
      {found.length > 0 ? ` (found ${found.join(", ")})` : ""}
    </>
  );
}

function List({ title, of, line }: { title: string; of: readonly Said[]; line: (one: Said) => ReactNode }) {
  if (of.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className={css.list}>
        {of.map((one) => (
          <li key={one.seq}>{line(one)}</li>
        ))}
      </ul>
    </section>
  );
}
