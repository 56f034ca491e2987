// A server by hand: a program to start, or an address to speak to. It is asked for its tools as soon as it is there.

import { Button, Group, Modal, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys, secretsQuery } from "../api/queries.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import { wordsOf } from "./words.ts";

type Kind = "stdio" | "http";

export default function AddServer({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const { data: secrets } = useQuery(secretsQuery());
  const [kind, setKind] = useState<Kind>("stdio");
  const [name, setName] = useState("");
  const [title, setTitle] = useState("");
  const [line, setLine] = useState("");
  const [environment, setEnvironment] = useState("");
  const [url, setUrl] = useState("");
  const [secret, setSecret] = useState<string | null>(null);
  const [tried, setTried] = useState(false);
  const words = wordsOf(line);
  const env = environmentOf(environment);
  const wrong = {
    name: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? null : "Letters, digits, dots, dashes; 64 at most",
    line: words === null ? "A quote is not shut" : words.length === 0 ? "What is to be started?" : null,
    environment: env === null ? "NAME=value, separated by blanks" : null,
    url: /^https?:\/\/[^\s/]/.test(url.trim()) ? null : "It begins with http:// or https://",
  };
  const add = useMutation({
    mutationFn: () =>
      api.post("/servers", {
        body:
          kind === "stdio"
            ? { name, title: title.trim(), transport: kind, command: words![0]!, args: words!.slice(1), env: env! }
            : { name, title: title.trim(), transport: kind, url: url.trim(), ...(secret ? { auth_secret: secret } : {}) },
      } as Parameters<typeof api.post<"/servers">>[1]),
    onSuccess: () => {
      toastDone(`Server ${name} added`);
      announce(`Server ${name} added`);
      void queries.invalidateQueries({ queryKey: keys.servers });
      onClose();
      void navigate(`/servers/${encodeURIComponent(name)}?check=1`);
    },
  });
  const problem = add.error ? ApiError.of(add.error) : null;
  const told = (...pointers: string[]) => problem?.errors.find((one) => pointers.some((at) => one.pointer === at || one.pointer.startsWith(`${at}/`)))?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (wrong.name || (kind === "stdio" ? wrong.line || wrong.environment : wrong.url)) return announce("Some fields are not right yet");
    add.mutate();
  };
  const at = (mine: string | null, ...pointers: string[]) => (tried ? mine : null) ?? told(...pointers);
  return (
    <Modal opened onClose={onClose} title="Add a server" size="lg">
      <form onSubmit={submit} noValidate>
        <Stack>
          <SegmentedControl
            aria-label="How it is reached"
            value={kind}
            onChange={(next) => setKind(next as Kind)}
            data={[
              { value: "stdio", label: "A program" },
              { value: "http", label: "An address" },
            ]}
          />
          <Text size="sm" c="dimmed">
            {kind === "stdio" ? "It is started on the machine that runs Penstock, and spoken to over its input and output." : "It is spoken to over HTTP, from the machine that runs Penstock."}
          </Text>
          <Group grow align="flex-start">
            <TextInput label="Name" description="By which steps name it" withAsterisk data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} error={at(wrong.name, "/name")} />
            <TextInput label="Title" description="For people; optional" value={title} onChange={(event) => setTitle(event.currentTarget.value)} error={told("/title")} />
          </Group>
          {kind === "stdio" ? (
            <>
              <TextInput
                label="Command"
                description="The program and its arguments, as one would type them: npx -y @modelcontextprotocol/server-everything"
                withAsterisk
                value={line}
                onChange={(event) => setLine(event.currentTarget.value)}
                error={at(wrong.line, "/command", "/args")}
              />
              <TextInput
                label="Environment"
                description="NAME=value, separated by blanks; it gets PATH, HOME and LANG anyway. No secrets: these stay visible."
                value={environment}
                onChange={(event) => setEnvironment(event.currentTarget.value)}
                error={at(wrong.environment, "/env")}
              />
            </>
          ) : (
            <>
              <TextInput label="Address" description="With its path: https://tools.example.com/mcp" withAsterisk value={url} onChange={(event) => setUrl(event.currentTarget.value)} error={at(wrong.url, "/url")} />
              <Select
                label="Bearer token"
                description="The name of the secret that holds it; optional"
                placeholder={secrets?.names.length ? "None" : "There is no secret yet"}
                data={secrets?.names ?? []}
                value={secret}
                onChange={setSecret}
                searchable
                clearable
                error={told("/auth_secret")}
              />
            </>
          )}
          {problem ? <Problem error={problem} title="The server was not added" /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add and check
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** `A=1 B="two words"` as a mapping; null where it is none. */
function environmentOf(text: string): Record<string, string> | null {
  const pairs = (wordsOf(text) ?? ["="]).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] as const);
  return pairs.every(([name]) => /^[A-Za-z_]\w*$/.test(name)) ? Object.fromEntries(pairs) : null;
}
