// What steps can ask for without saying of whom, and who offers it.

import { Anchor, Skeleton, Table } from "@mantine/core";
import { IconPuzzle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { Empty } from "../parts/Empty.tsx";
import { Problem } from "../parts/Problem.tsx";
import { Scrolling } from "../run/Scrolling.tsx";
import { Mark } from "./Mark.tsx";
import { capabilitiesQuery } from "./queries.ts";
import css from "./Servers.module.css";

export function Capabilities({ wanted }: { wanted: string }) {
  const { data, error, refetch } = useQuery(capabilitiesQuery());
  if (error) return <Problem error={error} title="The capabilities could not be read" retry={() => void refetch()} />;
  if (!data) return <Skeleton height={180} radius="md" />;
  const items = data.items.filter((one) => [one.name, ...one.servers.flatMap((by) => [by.server, by.tool])].some((word) => word.toLowerCase().includes(wanted)));
  if (items.length === 0)
    return (
      <Empty icon={<IconPuzzle size={26} />} title={data.items.length > 0 ? "No capability matches" : "Nothing is offered yet"}>
        A capability is a name such as <code>code.scan</code> by which a step asks for a tool; a server says which of its tools serves it.
      </Empty>
    );
  return (
    <Scrolling className={css.table} label="Capabilities">
      <Table verticalSpacing="xs" fz="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Capability</Table.Th>
            <Table.Th>Server</Table.Th>
            <Table.Th>Tool</Table.Th>
            <Table.Th>Health</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {items.flatMap((one) =>
            one.servers.map((by, n) => (
              <Table.Tr key={`${one.name}/${by.server}`}>
                <Table.Td>{n === 0 ? <code>{one.name}</code> : <span className="visually-hidden">{one.name}</span>}</Table.Td>
                <Table.Td>
                  <Anchor component={Link} to={`/servers/${encodeURIComponent(by.server)}`} size="sm">
                    {by.server}
                  </Anchor>
                  {by.fallback ? " (fallback)" : ""}
                </Table.Td>
                <Table.Td>
                  <Anchor component={Link} to={`/servers/${encodeURIComponent(by.server)}?tool=${encodeURIComponent(by.tool)}`} size="sm">
                    {by.tool}
                  </Anchor>
                </Table.Td>
                <Table.Td>
                  <Mark of={by.health} />
                </Table.Td>
              </Table.Tr>
            )),
          )}
        </Table.Tbody>
      </Table>
    </Scrolling>
  );
}
