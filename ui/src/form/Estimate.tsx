// What it will cost: what it did cost the last times, and what it may cost at most.

import { Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api } from "../api/client.ts";
import { keys, type RunMode } from "../api/queries.ts";
import type { Run } from "../api/schema.d.ts";
import { Card } from "../parts/Card.tsx";
import { duration, instant, plural, short, usd } from "../parts/format.ts";
import type { Json } from "./schema.ts";

const LAST = 5;

export interface Past {
  runs: number;
  usd: number;
  tokens: number;
  seconds: number;
}

const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** The middle of what some runs came to; null of none. */
export function pastOf(runs: readonly Pick<Run, "spent" | "created_at" | "ended_at">[]): Past | null {
  if (!runs.length) return null;
  return {
    runs: runs.length,
    usd: middle(runs.map((run) => Number(run.spent.usd))),
    tokens: middle(runs.map((run) => run.spent.tokens)),
    seconds: middle(runs.map((run) => (run.ended_at ? (instant(run.ended_at) - instant(run.created_at)) / 1000 : 0))),
  };
}

const pastQuery = (slug: string, mode: RunMode) => ({
  queryKey: [...keys.runs, "past", slug, mode],
  queryFn: async ({ signal }: { signal: AbortSignal }) => {
    const page = await api.get("/runs", { query: { workflow: slug, mode, status: "completed", limit: LAST }, signal });
    const runs = await Promise.all(page.items.map((one) => api.get("/runs/{run_id}", { path: { run_id: one.run_id }, query: { steps: 0 }, signal })));
    return pastOf(runs);
  },
  staleTime: 60_000,
});

const TEST: Record<string, number> = { tokens: 1000, seconds: 60, iterations: 5 };

/** The least of the document's limits, those of the mode, and those asked for. */
export function ceiling(document: Record<string, unknown>, mode: RunMode, asked: Record<string, Json>): Record<string, number> {
  const out: Record<string, number> = {};
  for (const limits of [document["limits"] ?? {}, mode === "test_run" ? TEST : {}, asked] as Record<string, unknown>[])
    for (const [name, value] of Object.entries(limits)) {
      const amount = name === "seconds" ? seconds(value) : Number(value);
      if (value !== null && value !== "" && Number.isFinite(amount)) out[name] = Math.min(out[name] ?? Number.POSITIVE_INFINITY, amount);
    }
  return out;
}

const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a number or of words such as "1h30m". */
export function seconds(value: unknown): number {
  if (typeof value !== "string") return Number(value);
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  return parts.length ? parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? "s"] ?? 1), 0) : Number(value);
}

interface EstimateProps {
  slug: string;
  mode: RunMode;
  document: Record<string, unknown>;
  limits: Record<string, Json>;
}

export function Estimate({ slug, mode, document, limits }: EstimateProps) {
  const { data: past } = useQuery({ ...pastQuery(slug, mode), enabled: mode !== "validate_only" });
  if (mode === "validate_only") return null;
  const most = ceiling(document, mode, limits);
  const rows: [string, string, string][] = [
    ["Cost", past ? usd(past.usd) : "–", most["usd"] === undefined ? "no limit" : usd(most["usd"])],
    ["Tokens", past ? short(past.tokens) : "–", most["tokens"] === undefined ? "no limit" : short(most["tokens"])],
    ["Time", past ? duration(past.seconds) : "–", most["seconds"] === undefined ? "no limit" : duration(most["seconds"])],
  ];
  return (
    <Card title="Estimate">
      <Stack gap={6}>
        <Table verticalSpacing={4} horizontalSpacing={6} layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Td />
              <Table.Th ta="right">Usually</Table.Th>
              <Table.Th ta="right">At most</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(([name, usual, limit]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" fw={400}>
                  {name}
                </Table.Th>
                <Table.Td ta="right">{usual}</Table.Td>
                <Table.Td ta="right">{limit}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Text size="xs" c="dimmed">
          {past ? `“Usually” is the middle of the last ${plural(past.runs, "run")} that completed in this mode.` : "Nothing completed in this mode yet to judge by."}
        </Text>
      </Stack>
    </Card>
  );
}
