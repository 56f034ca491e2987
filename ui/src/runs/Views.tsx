// Views: filters under a name, kept in this browser.

import { ActionIcon, Button, Divider, Group, Menu, Popover, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBookmark, IconCheck, IconChevronDown, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { announce } from "../shell/announce.tsx";
import { BUILT_IN, readViews, saveView } from "./views.ts";

export function Views({ current, onOpen }: { current: string; onOpen: (search: string) => void }) {
  const [views, setViews] = useState(() => readViews(localStorage));
  const [saving, saved] = useDisclosure(false);
  const [name, setName] = useState("");
  const now = [...BUILT_IN, ...views].find((one) => one.search === current);
  const save = () => {
    if (!name.trim()) return;
    setViews(saveView(localStorage, name.trim(), current));
    announce(`View ${name.trim()} saved`);
    setName("");
    saved.close();
  };
  return (
    <Group gap="xs">
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <Button variant="default" rightSection={<IconChevronDown size={14} aria-hidden />}>
            {now ? now.name : "Views"}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {BUILT_IN.map((one) => (
            <Menu.Item key={one.name} onClick={() => onOpen(one.search)} rightSection={one.search === current ? <IconCheck size={14} aria-label="shown" /> : null}>
              {one.name}
            </Menu.Item>
          ))}
          {views.length ? <Divider my={4} label="Saved" /> : null}
          {views.map((one) => (
            <Group key={one.name} gap={2} wrap="nowrap">
              <Menu.Item onClick={() => onOpen(one.search)} rightSection={one.search === current ? <IconCheck size={14} aria-label="shown" /> : null}>
                {one.name}
              </Menu.Item>
              <ActionIcon variant="subtle" color="gray" aria-label={`Forget the view ${one.name}`} onClick={() => setViews(saveView(localStorage, one.name, null))}>
                <IconTrash size={14} />
              </ActionIcon>
            </Group>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Popover opened={saving} onChange={(open) => (open ? saved.open() : saved.close())} position="bottom-end" trapFocus withinPortal>
        <Popover.Target>
          <Button variant="default" leftSection={<IconBookmark size={16} aria-hidden />} onClick={saved.toggle} disabled={now !== undefined}>
            Save view
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Group gap="xs" align="flex-end">
            <TextInput
              label="Name of this view"
              data-autofocus
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter") save();
              }}
            />
            <Button onClick={save} disabled={!name.trim()}>
              Save
            </Button>
          </Group>
        </Popover.Dropdown>
      </Popover>
    </Group>
  );
}
