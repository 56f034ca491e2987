// What the keys do, on every page and on some.

import { Kbd, Table } from "@mantine/core";
import { Card } from "../parts/Card.tsx";
import { MOD } from "../shell/shortcuts.ts";
import css from "./Settings.module.css";

const EVERYWHERE: [string[], string][] = [
  [[MOD, "K"], "Search workflows, runs and pages"],
  [["?"], "Show the shortcuts, with the letter of each page"],
  [["G", "a letter"], "Go to a page, one key after the other"],
  [["/"], "To the search field of a list"],
  [[MOD, "Enter"], "Send a form"],
  [["Esc"], "Close what is open"],
];
const LISTS: [string[], string][] = [
  [["J"], "The next question or dead letter"],
  [["K"], "The one before"],
  [["Enter"], "To its answer, or its input"],
  [["Esc"], "Back to the list"],
];

export function Keyboard() {
  return (
    <div className={css.keys}>
      <Keys title="Everywhere" rows={EVERYWHERE} />
      <Keys title="Inbox and dead letters" rows={LISTS} />
    </div>
  );
}

function Keys({ title, rows }: { title: string; rows: [string[], string][] }) {
  return (
    <Card title={title}>
      <Table verticalSpacing={6} fz="sm">
        <Table.Tbody>
          {rows.map(([keys, does]) => (
            <Table.Tr key={does}>
              <Table.Th scope="row" fw={400}>
                {does}
              </Table.Th>
              <Table.Td className={css.press}>
                {keys.map((key) => (
                  <Kbd key={key}>{key}</Kbd>
                ))}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
