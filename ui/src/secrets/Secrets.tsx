// Every secret by its name, and nothing else of it.

import { ActionIcon, Button, Group, Modal, PasswordInput, Skeleton, Stack, Text, TextInput, Title, Tooltip } from "@mantine/core";
import { IconLock, IconPlus, IconRefresh, IconReplace, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client.ts";
import { keys, secretsQuery } from "../api/queries.ts";
import { Empty } from "../parts/Empty.tsx";
import { plural } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import css from "./Secrets.module.css";

type Open = { what: "set"; name: string | null } | { what: "delete"; name: string } | { what: "rotate" } | null;

export function Secrets() {
  const { data, error, refetch } = useQuery(secretsQuery());
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  const names = data?.names ?? [];
  return (
    <section aria-labelledby="secrets">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id="secrets">
          Secrets
        </Title>
        <Group gap="xs">
          {names.length > 0 ? (
            <Button size="compact-md" variant="default" leftSection={<IconRefresh size={15} aria-hidden />} onClick={() => setOpen({ what: "rotate" })}>
              Rotate
            </Button>
          ) : null}
          <Button size="compact-md" leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setOpen({ what: "set", name: null })}>
            Set a secret
          </Button>
        </Group>
      </Group>
      {error && !data ? <Problem error={error} title="The secrets could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={120} radius="md" /> : null}
      {data && names.length === 0 ? (
        <div className={css.row}>
          <Empty compact icon={<IconLock size={26} />} title="There is no secret yet">
            A step asks for one by its name, and the value is in no journal, log or stream.
          </Empty>
        </div>
      ) : null}
      {names.length > 0 ? (
        <ul className={css.names}>
          {names.map((name) => (
            <li key={name}>
              <IconLock size={15} aria-hidden />
              <code>{name}</code>
              <span className={css.hidden}>
                <span aria-hidden>••••••••</span>
                <span className="visually-hidden">its value is not shown</span>
              </span>
              <Tooltip label="Replace">
                <ActionIcon variant="subtle" color="gray" aria-label={`Replace ${name}`} onClick={() => setOpen({ what: "set", name })}>
                  <IconReplace size={17} />
                </ActionIcon>
              </Tooltip>
              <Tooltip label="Delete">
                <ActionIcon variant="subtle" color="gray" aria-label={`Delete ${name}`} onClick={() => setOpen({ what: "delete", name })}>
                  <IconTrash size={17} />
                </ActionIcon>
              </Tooltip>
            </li>
          ))}
        </ul>
      ) : null}
      {open?.what === "set" ? <SetSecret name={open.name} known={names} onClose={close} /> : null}
      {open?.what === "delete" ? <DeleteSecret name={open.name} onClose={close} /> : null}
      {open?.what === "rotate" ? <Rotate onClose={close} /> : null}
    </section>
  );
}

function SetSecret({ name: given, known, onClose }: { name: string | null; known: readonly string[]; onClose: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState(given ?? "");
  const [value, setValue] = useState("");
  const [tried, setTried] = useState(false);
  const put = useMutation({
    mutationFn: () => api.put("/secrets/{name}", { path: { name: name.trim() }, body: { value } }),
    onSuccess: () => {
      toastDone(`Secret ${name.trim()} is set`);
      announce(`Secret ${name.trim()} is set`);
      void queries.invalidateQueries({ queryKey: keys.secrets });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (name.trim() && value) put.mutate();
    else announce("Some fields are not right yet");
  };
  return (
    <Modal opened onClose={onClose} title={given === null ? "Set a secret" : `Replace ${given}`}>
      <form onSubmit={submit} noValidate autoComplete="off">
        <Stack>
          {given === null ? (
            <TextInput
              label="Name"
              description="By which steps and servers ask for it"
              withAsterisk
              data-autofocus
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
              error={tried && !name.trim() ? "What is it called?" : known.includes(name.trim()) ? "There is one of this name: it will be replaced" : null}
            />
          ) : null}
          <PasswordInput
            label="Value"
            description="It is shown to nobody again"
            withAsterisk
            data-autofocus={given === null ? undefined : true}
            autoComplete="new-password"
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            error={tried && !value ? "It is empty" : null}
          />
          {put.error ? <Problem error={put.error} title="The secret was not set" /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={put.isPending}>
              {known.includes(name.trim()) ? "Replace" : "Set"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function DeleteSecret({ name, onClose }: { name: string; onClose: () => void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => api.delete("/secrets/{name}", { path: { name } }),
    onSuccess: () => {
      toastDone(`Secret ${name} is deleted`);
      void queries.invalidateQueries({ queryKey: keys.secrets });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Delete ${name}?`}>
      <Text size="sm">Steps and servers that ask for it fail from now on, until it is set again. It cannot be brought back.</Text>
      {remove.error ? <Problem error={remove.error} /> : null}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose} data-autofocus>
          Keep it
        </Button>
        <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
          Delete
        </Button>
      </Group>
    </Modal>
  );
}

function Rotate({ onClose }: { onClose: () => void }) {
  const rotate = useMutation({
    mutationFn: () => api.post("/secrets/rotate"),
    onSuccess: ({ sealed }) => {
      toastDone(`${plural(sealed, "secret")} sealed with a new key`);
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title="Rotate the key of the vault?">
      <Text size="sm">Every secret, of every group, is sealed again with a new key. The secrets themselves stay as they are, and nothing has to be changed elsewhere.</Text>
      {rotate.error ? <Problem error={rotate.error} /> : null}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        <Button loading={rotate.isPending} onClick={() => rotate.mutate()} data-autofocus>
          Rotate
        </Button>
      </Group>
    </Modal>
  );
}
