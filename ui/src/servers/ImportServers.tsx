// The mcp.json of an editor or assistant, pasted or as a file. Values that look like secrets go into the vault.

import { Anchor, Button, FileButton, Group, List, Modal, Stack, Text } from "@mantine/core";
import { IconFileUpload } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Link } from "react-router";
import { api, type Answer } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { parse } from "../letters/json.ts";
import { Problem } from "../parts/Problem.tsx";
import { Waiting } from "../run/Waiting.tsx";
import { announce } from "../shell/announce.tsx";

const JsonEditor = lazy(() => import("../letters/JsonEditor.tsx"));
const EXAMPLE = '{\n  "mcpServers": {\n    \n  }\n}';

type Imported = Answer<"/servers/import", "post">;

export default function ImportServers({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const [text, setText] = useState(EXAMPLE);
  const parsed = parse(text);
  const bring = useMutation({
    mutationFn: () => api.post("/servers/import", { body: parsed.value as Record<string, never> }),
    onSuccess: (found) => {
      announce(`${found.added.length} added, ${found.replaced.length} replaced`);
      void queries.invalidateQueries({ queryKey: keys.servers });
      void queries.invalidateQueries({ queryKey: keys.secrets });
    },
  });
  return (
    <Modal opened onClose={onClose} title="Import mcp.json" size="xl">
      {bring.data ? (
        <Done found={bring.data} onClose={onClose} />
      ) : (
        <Stack>
          <Text size="sm" c="dimmed">
            As editors and assistants share it. Servers of the same name are replaced; values that look like secrets are moved into the vault, and <code>{"${NAME}"}</code> becomes the
            secret NAME.
          </Text>
          <Group>
            <FileButton accept="application/json,.json" onChange={(file) => void file?.text().then(setText)}>
              {(props) => (
                <Button {...props} variant="default" size="compact-md" leftSection={<IconFileUpload size={16} aria-hidden />}>
                  Read a file
                </Button>
              )}
            </FileButton>
          </Group>
          <Suspense fallback={<Waiting />}>
            <JsonEditor label="Contents of mcp.json" text={text} onChange={setText} error={parsed.wrong} maxHeight="45vh" />
          </Suspense>
          {bring.error ? <Problem error={bring.error} title="Nothing was imported" /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button loading={bring.isPending} disabled={parsed.wrong !== null} onClick={() => bring.mutate()}>
              Import
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}

function Done({ found, onClose }: { found: Imported; onClose: () => void }) {
  const links = (names: string[]) =>
    names.map((name, n) => (
      <span key={name}>
        {n > 0 ? ", " : ""}
        <Anchor component={Link} to={`/servers/${encodeURIComponent(name)}?check=1`} onClick={onClose} underline="always">
          {name}
        </Anchor>
      </span>
    ));
  return (
    <Stack>
      <List spacing={6}>
        {found.added.length > 0 ? <List.Item>Added: {links(found.added)}</List.Item> : null}
        {found.replaced.length > 0 ? <List.Item>Replaced: {links(found.replaced)}</List.Item> : null}
        {found.added.length + found.replaced.length === 0 ? <List.Item>There was no server in it.</List.Item> : null}
        {found.secrets.length > 0 ? <List.Item>Moved into the vault: {found.secrets.map((one) => `${one.name} (of ${one.server})`).join(", ")}</List.Item> : null}
        {found.missing.length > 0 ? (
          <List.Item>
            Named and not set yet: {found.missing.join(", ")}.{" "}
            <Anchor component={Link} to="/secrets" onClick={onClose} underline="always">
              Set them
            </Anchor>{" "}
            before the servers are used.
          </List.Item>
        ) : null}
      </List>
      <Group justify="flex-end">
        <Button onClick={onClose} data-autofocus>
          Done
        </Button>
      </Group>
    </Stack>
  );
}
