// Every sending of a step, and the times between in which nothing ran.

import { Table } from "@mantine/core";
import { WAITS } from "../model/timeline.ts";
import type { StepView } from "../model/view.ts";
import { clock, dateTime, duration } from "../parts/format.ts";
import { Status } from "../parts/Status.tsx";
import css from "./Attempts.module.css";

export function Attempts({ step, now }: { step: StepView; now: number }) {
  const rows = [
    ...step.attempts.map((one) => ({ at: one.scheduledAt, attempt: one, pause: null })),
    ...step.waits.map((one) => ({ at: one.start, attempt: null, pause: one })),
  ].toSorted((a, b) => a.at - b.at);
  return (
    <section className={css.attempts}>
      <h3>Attempts</h3>
      <Table verticalSpacing={4} horizontalSpacing="xs" fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>No.</Table.Th>
            <Table.Th>How it went</Table.Th>
            <Table.Th>Begun</Table.Th>
            <Table.Th>Took</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ attempt, pause }, n) =>
            attempt !== null ? (
              <Table.Tr key={n}>
                <Table.Td>
                  {attempt.attempt}
                  {attempt.delivery > 1 ? <span className={css.dim}> · sent {attempt.delivery}×</span> : null}
                </Table.Td>
                <Table.Td>
                  <span className={css.how}>
                    <Status of={attempt.outcome ?? (attempt.startedAt === null ? "scheduled" : "running")} />
                    {attempt.executor ? <span className={css.dim}>on {attempt.executor}</span> : null}
                  </span>
                  {attempt.error !== null ? (
                    <div className={css.error}>
                      {attempt.error["message"]} <code>{attempt.error["code"]}</code>
                    </div>
                  ) : null}
                </Table.Td>
                <Table.Td title={dateTime(attempt.startedAt ?? attempt.scheduledAt)}>{clock(attempt.startedAt ?? attempt.scheduledAt)}</Table.Td>
                <Table.Td>{duration((attempt.endedAt ?? now) - (attempt.startedAt ?? attempt.scheduledAt))}</Table.Td>
              </Table.Tr>
            ) : (
              <Table.Tr key={n} className={css.pause}>
                <Table.Td />
                <Table.Td>{WAITS[pause!.why] ?? pause!.why}</Table.Td>
                <Table.Td title={dateTime(pause!.start)}>{clock(pause!.start)}</Table.Td>
                <Table.Td>{duration((pause!.end ?? now) - pause!.start)}</Table.Td>
              </Table.Tr>
            ),
          )}
        </Table.Tbody>
      </Table>
      {step.retryAt !== null ? <p className={css.dim}>The next attempt is due at {clock(step.retryAt)}.</p> : null}
      {step.until !== null ? <p className={css.dim}>It goes on by itself at {dateTime(step.until)}.</p> : null}
    </section>
  );
}
