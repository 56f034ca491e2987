// The form as a command, for scripts and for those who would rather type.

import { Tabs, Text } from "@mantine/core";
import { Card } from "../parts/Card.tsx";
import { CopyBlock } from "../parts/CopyBlock.tsx";
import { asCommand, asCurl, type Wanted } from "./commands.ts";

export function Commands({ wanted, idempotencyKey }: { wanted: Wanted; idempotencyKey: string }) {
  return (
    <Card title="From a terminal">
      <Tabs defaultValue="cli" variant="default">
        <Tabs.List mb="xs">
          <Tabs.Tab value="cli">CLI</Tabs.Tab>
          <Tabs.Tab value="curl">curl</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="cli">
          <CopyBlock text={asCommand(wanted)} label="the command" />
        </Tabs.Panel>
        <Tabs.Panel value="curl">
          <CopyBlock text={asCurl(wanted, location.origin, idempotencyKey)} label="the curl command" />
          <Text size="xs" c="dimmed" mt={6}>
            The token is in the file <code>token</code> of the data folder.
          </Text>
        </Tabs.Panel>
      </Tabs>
    </Card>
  );
}
