// What policies would have said of everything that a recorded run asked and heard. Nothing is done, and nothing kept.

import { Anchor, Autocomplete, Badge, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "../api/client.ts";
import { recentRunsQuery } from "../api/queries.ts";
import { ago, plural } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { Scrolling } from "../run/Scrolling.tsx";
import { announce } from "../shell/announce.tsx";
import { OUTCOMES } from "./policy.ts";
import css from "./Settings.module.css";

export default function TestRun({ onClose }: { onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title="Test the policies against a run" size="xl">
      <Stack>
        <Text size="sm" c="dimmed">
          Everything that the run heard, and asked its tools, is held against the policies as they are now. What was sent to models is in no journal and is not rehearsed.
        </Text>
        <Rehearsal policies={{}} only={null} />
      </Stack>
    </Modal>
  );
}

interface RehearsalProps {
  /** Over those that hold. */
  policies: Record<string, Record<string, unknown>>;
  /** Count the decisions of this policy alone. */
  only: string | null;
  disabled?: boolean;
}

export function Rehearsal({ policies, only, disabled = false }: RehearsalProps) {
  const { data } = useQuery(recentRunsQuery(30));
  const [run, setRun] = useState("");
  const runs = data?.items ?? [];
  const test = useMutation({
    mutationFn: () => api.post("/policies/test", { body: { run: run.trim(), policies } as never }),
    onSuccess: ({ items }) => announce(`${items.length} looked at, ${items.filter(decided).length} decided`),
  });
  const decided = (one: { policy: string | null }) => one.policy !== null && (only === null || one.policy === only);
  const found = test.data?.items.filter(decided) ?? [];
  return (
    <Stack gap="xs">
      <Group align="flex-end" gap="xs">
        <Autocomplete
          className={css.run ?? ""}
          aria-label="Run"
          placeholder={runs.length > 0 ? "Choose a run, or paste its id" : "Nothing ran yet"}
          data={runs.map((one) => one.run_id)}
          renderOption={({ option }) => {
            const one = runs.find((run) => run.run_id === option.value);
            return (
              <span>
                {one?.workflow} · {one ? ago(one.created_at) : ""}{" "}
                <Text component="span" size="xs" c="dimmed">
                  {option.value}
                </Text>
              </span>
            );
          }}
          filter={({ options }) => options}
          maxDropdownHeight={240}
          value={run}
          onChange={setRun}
        />
        <Button variant="default" loading={test.isPending} disabled={disabled || run.trim() === ""} onClick={() => test.mutate()}>
          Test
        </Button>
      </Group>
      {test.error ? <Problem error={test.error} title="The run could not be looked at" /> : null}
      {test.data ? (
        <Text size="sm" role="status">
          {test.data.items.length === 0
            ? "There was nothing to look at: this run asked no tool and no model."
            : `${plural(test.data.items.length, "call was", "calls were")} looked at; ${found.length === 0 ? "none of them is touched." : `${plural(found.length, "decision")}.`}`}{" "}
          <Anchor component={Link} to={`/runs/${run.trim()}`} size="sm" underline="always">
            See the run
          </Anchor>
        </Text>
      ) : null}
      {found.length > 0 ? (
        <Scrolling className={css.found} label="Decisions">
          <Table fz="sm" verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Step</Table.Th>
                <Table.Th>At</Table.Th>
                <Table.Th>Decision</Table.Th>
                <Table.Th>Policy</Table.Th>
                <Table.Th>Why</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.slice(0, 200).map((one, n) => (
                <Table.Tr key={n}>
                  <Table.Td>{one.step || "–"}</Table.Td>
                  <Table.Td>{one.point}</Table.Td>
                  <Table.Td>
                    <Badge variant="default" tt="none" fw={500}>
                      {OUTCOMES.find((known) => known.value === one.then)?.label ?? one.then}
                    </Badge>
                  </Table.Td>
                  <Table.Td>{one.policy}</Table.Td>
                  <Table.Td>
                    {one.message}
                    {Object.entries(one.found).map(([kind, times]) => ` ${kind} ×${times}`)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Scrolling>
      ) : null}
    </Stack>
  );
}
