// A provider's key. It is tried by the cheapest request there is before it is kept.

import { Button, Checkbox, Group, Modal, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys } from "../api/queries.ts";
import type { Provider } from "../api/schema.d.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import { PROVIDERS } from "./queries.ts";

export default function SetKey({ provider, onClose }: { provider: Provider; onClose: () => void }) {
  const queries = useQueryClient();
  const [key, setKey] = useState("");
  const [url, setUrl] = useState(provider.base_url ?? "");
  const [model, setModel] = useState(provider.model ?? "");
  const [verify, setVerify] = useState(true);
  const put = useMutation({
    mutationFn: () =>
      api.put("/providers/{name}", {
        path: { name: provider.name },
        body: { ...(key ? { key } : {}), ...(url.trim() ? { base_url: url.trim() } : {}), ...(model.trim() ? { model: model.trim() } : {}), verify } as never,
      }),
    onSuccess: (made) => {
      toastDone(made.connected ? `${made.title} is connected` : `The key of ${made.title} is kept, and was not tried`);
      announce(`${made.title}: ${made.status}`);
      void queries.invalidateQueries({ queryKey: PROVIDERS });
      void queries.invalidateQueries({ queryKey: keys.secrets });
      onClose();
    },
  });
  const problem = put.error ? ApiError.of(put.error) : null;
  const at = (pointer: string) => problem?.errors.find((one) => one.pointer === pointer)?.message ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    put.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={`The key of ${provider.title}`} size="lg">
      <form onSubmit={submit} noValidate autoComplete="off">
        <Stack>
          <PasswordInput
            label="Key"
            description={provider.key === "vault" ? "Empty: the key that is kept stays, at the same address" : "It is shown to nobody again"}
            data-autofocus
            autoComplete="new-password"
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
            error={at("/key")}
          />
          <TextInput
            label="Address"
            description="The provider's own, or that of one that speaks the same"
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
            error={at("/base_url")}
          />
          <TextInput label="Model" description="One it must have; optional" value={model} onChange={(event) => setModel(event.currentTarget.value)} error={at("/model")} />
          <Checkbox
            label="Try the key before it is kept"
            description="By the cheapest request there is; nothing changes when it is not taken"
            checked={verify}
            onChange={(event) => setVerify(event.currentTarget.checked)}
          />
          {problem ? <Problem error={problem} title="The key was not kept" /> : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Close
            </Button>
            <Button type="submit" loading={put.isPending}>
              {verify ? "Try and keep" : "Keep"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
