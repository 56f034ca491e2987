// The providers whose models can be asked: connected or not, and when that was seen.

import { Button, Code, Group, Skeleton, Text, Title } from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api } from "../api/client.ts";
import type { Provider } from "../api/schema.d.ts";
import { ago, dateTime } from "../parts/format.ts";
import { Problem } from "../parts/Problem.tsx";
import { Mark } from "../servers/Mark.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone, toastError } from "../shell/toast.tsx";
import { PROVIDERS, providersQuery } from "./queries.ts";
import css from "./Secrets.module.css";

const SetKey = lazy(() => import("./SetKey.tsx"));

const ORDER: Record<Provider["status"], number> = { failed: 0, connected: 1, unverified: 2, no_key: 3 };

export function Providers() {
  const { data, error, refetch } = useQuery(providersQuery());
  const [open, setOpen] = useState<Provider | null>(null);
  const items = (data?.items ?? []).toSorted((a, b) => ORDER[a.status] - ORDER[b.status] || a.title.localeCompare(b.title));
  return (
    <section aria-labelledby="providers">
      <Title order={2} size="h4" id="providers" mb="sm" lh="1.875rem">
        Providers of models
      </Title>
      {error && !data ? <Problem error={error} title="The providers could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={200} radius="md" /> : null}
      <ul className={css.list}>
        {items.map((one) => (
          <Row key={one.name} provider={one} onSet={() => setOpen(one)} />
        ))}
      </ul>
      <Suspense>{open ? <SetKey provider={open} onClose={() => setOpen(null)} /> : null}</Suspense>
    </section>
  );
}

function Row({ provider, onSet }: { provider: Provider; onSet: () => void }) {
  const queries = useQueryClient();
  const seen = () => queries.invalidateQueries({ queryKey: PROVIDERS });
  const check = useMutation({
    mutationFn: () => api.post("/providers/{name}/check", { path: { name: provider.name } }),
    onSuccess: (found) => {
      announce(`${found.title}: ${found.status}`);
      if (found.status === "connected") toastDone(`${found.title} took the key`);
    },
    onError: (error) => toastError(`Test ${provider.title}`, error),
    onSettled: seen,
  });
  const remove = useMutation({
    mutationFn: () => api.delete("/providers/{name}", { path: { name: provider.name } }),
    onSuccess: () => toastDone(`${provider.title} and its key are forgotten`),
    onError: (error) => toastError(`Forget ${provider.title}`, error),
    onSettled: seen,
  });
  const [sure, setSure] = useState(false);
  const breakers = provider.breakers.filter((one) => one.state !== "closed");
  return (
    <li className={css.row} aria-label={provider.title}>
      <div className={css.top}>
        <h3>
          {provider.title} {provider.title.toLowerCase() === provider.name ? null : <Code>{provider.name}</Code>}
        </h3>
        <Mark of={provider.status} badge />
      </div>
      {provider.error ? (
        <Text size="sm" c="var(--tone-bad)" className={css.long ?? ""}>
          {provider.error.message} <Code>{provider.error.code}</Code>
        </Text>
      ) : null}
      {provider.installed ? null : (
        <Text size="sm" c="var(--tone-warn)">
          Its client is not installed: <Code>pip install 'penstock[{provider.extra ?? provider.name}]'</Code>
        </Text>
      )}
      <div className={css.foot}>
      <div className={css.facts}>
        {provider.checked_at ? <span title={dateTime(provider.checked_at)}>tried {ago(provider.checked_at)}</span> : null}
        {provider.key ? <span>key from the {provider.key}</span> : null}
        {provider.base_url ? <span className={css.long}>{provider.base_url}</span> : null}
        {provider.model ? <span>{provider.model}</span> : null}
        {breakers.map((one) => (
          <Mark key={one.name} of={one.state} />
        ))}
      </div>
      <Group gap="xs">
        <Button size="compact-sm" variant="default" leftSection={<IconKey size={14} aria-hidden />} onClick={onSet}>
          {provider.key ? "Replace the key" : "Set a key"}
        </Button>
        {provider.status !== "no_key" ? (
          <Button size="compact-sm" variant="default" loading={check.isPending} onClick={() => check.mutate()}>
            Test
          </Button>
        ) : null}
        {provider.key === "vault" || provider.checked_at ? (
          sure ? (
            <>
              <Button size="compact-sm" color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
                Forget the key
              </Button>
              <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setSure(false)}>
                Keep it
              </Button>
            </>
          ) : (
            <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setSure(true)}>
              Remove
            </Button>
          )
        ) : null}
      </Group>
      </div>
    </li>
  );
}
