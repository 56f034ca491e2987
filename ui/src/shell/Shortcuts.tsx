// What the keys do.

import { Group, Kbd, Modal, Stack, Text, Title } from "@mantine/core";
import type { NavLink } from "./nav.ts";
import { lettersOf, MOD } from "./shortcuts.ts";

export default function Shortcuts({ nav, onClose }: { nav: NavLink[]; onClose: () => void }) {
  const everywhere: [string[], string][] = [
    [[MOD, "K"], "Search workflows, runs and pages"],
    [["?"], "Show these shortcuts"],
    [["/"], "To the search field of a list"],
    [["Esc"], "Close what is open"],
    [[MOD, "Enter"], "Send a form"],
  ];
  const pages: [string[], string][] = [...lettersOf(nav)].map(([letter, entry]) => [["G", letter.toUpperCase()], entry.label]);
  return (
    <Modal opened onClose={onClose} title="Keyboard shortcuts" size="md">
      <Stack gap="lg">
        <Keys title="Everywhere" rows={everywhere} />
        <Keys title="Go to (one key after the other)" rows={pages} />
      </Stack>
    </Modal>
  );
}

function Keys({ title, rows }: { title: string; rows: [string[], string][] }) {
  return (
    <div>
      <Title order={3} size="sm" mb="xs">
        {title}
      </Title>
      <Stack gap={6}>
        {rows.map(([keys, does]) => (
          <Group key={does} justify="space-between" wrap="nowrap">
            <Text size="sm">{does}</Text>
            <Group gap={4} wrap="nowrap">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </Group>
          </Group>
        ))}
      </Stack>
    </div>
  );
}
