// One server: how it is, how it is reached, and its tools, each to be tried.

import { Button, Code, Group, Modal, Skeleton, Text } from "@mantine/core";
import { IconHeartbeat, IconPower, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import { keys } from "../api/queries.ts";
import type { ServerDetail } from "../api/schema.d.ts";
import { Card } from "../parts/Card.tsx";
import { ago, dateTime, duration, plural } from "../parts/format.ts";
import { Page } from "../parts/Page.tsx";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { useTitle } from "../shell/title.ts";
import { toastDone, toastError } from "../shell/toast.tsx";
import { Mark } from "./Mark.tsx";
import { serverQuery } from "./queries.ts";
import css from "./Servers.module.css";
import { TRANSPORTS } from "./ServersPage.tsx";
import { Tools } from "./Tools.tsx";
import { rateOf } from "./words.ts";

export function Component() {
  const { name = "" } = useParams();
  const [params, setParams] = useSearchParams();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [removing, setRemoving] = useState(false);
  const [gone, setGone] = useState(false);
  const { data, error, refetch } = useQuery({ ...serverQuery(name), enabled: !gone });
  useTitle(data ? `Server ${data.title || data.name}` : null);
  const check = useMutation({
    mutationFn: () => api.post("/servers/{name}/check", { path: { name } }),
    onSuccess: (found) => {
      announce(found.ok ? `${name} answered` : `${name} did not answer`);
      if (found.ok) toastDone(`It answered in ${duration(found.milliseconds / 1000)} with ${plural(found.tools.length, "tool")}`);
    },
    onError: (caught) => toastError(`Check ${name}`, caught),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.servers }),
  });
  const remove = useMutation({
    mutationFn: async () => {
      setGone(true); // whoever asks for it from now on is told that there is none
      await queries.cancelQueries({ queryKey: serverQuery(name).queryKey });
      return api.delete("/servers/{name}", { path: { name } });
    },
    onError: () => setGone(false),
    onSuccess: () => {
      toastDone(`Server ${name} removed`);
      queries.removeQueries({ queryKey: serverQuery(name).queryKey });
      void navigate("/servers");
      void queries.invalidateQueries({ queryKey: keys.servers });
    },
  });
  const turn = useMutation({
    mutationFn: (enabled: boolean) => api.put("/servers/{name}", { path: { name }, body: { ...data!.config, enabled } as never }),
    onSuccess: (_, enabled) => toastDone(enabled ? `Server ${name} is on` : `Server ${name} is switched off`),
    onError: (caught) => toastError(`Switch ${name}`, caught),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.servers }),
  });
  const wanted = params.get("check") !== null;
  const once = useRef(false);
  const start = check.mutate;
  useEffect(() => {
    if (!wanted || once.current) return;
    once.current = true;
    setParams({}, { replace: true });
    start();
  }, [wanted, setParams, start]);
  const failed = check.data && !check.data.ok ? check.data.error : null;
  return (
    <Page
      back={{ to: "/servers", label: "Servers and tools" }}
      title={data ? data.title || data.name : name}
      about={
        data ? (
          <span className={css.head}>
            <Mark of={data.enabled ? data.health : "off"} badge />
            {data.breaker.state === "closed" ? null : <Mark of={data.breaker.state} badge />}
            <span>{data.description}</span>
          </span>
        ) : null
      }
      actions={
        data ? (
          <Group gap="xs">
            <Button leftSection={<IconHeartbeat size={16} aria-hidden />} loading={check.isPending} disabled={!data.enabled} onClick={() => check.mutate()}>
              Check now
            </Button>
            <Button variant="default" leftSection={<IconPower size={16} aria-hidden />} loading={turn.isPending} onClick={() => turn.mutate(!data.enabled)}>
              {data.enabled ? "Switch off" : "Switch on"}
            </Button>
            {data.source === "registry" ? (
              <Button variant="default" leftSection={<IconTrash size={16} aria-hidden />} onClick={() => setRemoving(true)}>
                Remove
              </Button>
            ) : null}
          </Group>
        ) : null
      }
    >
      {error && !data ? <Problem error={error} title="This server could not be read" retry={() => void refetch()} /> : null}
      {!data && !error ? <Skeleton height={260} radius="md" /> : null}
      {failed && data ? (
        <div className={css.told}>
          <Problem error={failureOf(failed)} title="It did not answer as it should">
            <Text size="sm">{adviceOf(data)}</Text>
          </Problem>
        </div>
      ) : null}
      {data ? (
        <div className={css.columns}>
          <div className={css.side}>
            <Facts server={data} />
          </div>
          <Tools server={data} chosen={params.get("tool")} onChoose={(tool) => setParams(tool === null ? {} : { tool }, { replace: true })} onCheck={() => check.mutate()} checking={check.isPending} />
        </div>
      ) : null}
      <Modal opened={removing} onClose={() => setRemoving(false)} title={`Remove ${name}?`}>
        <Text size="sm">Steps that ask for its tools fail from now on, unless another server has them. Its secrets stay in the vault.</Text>
        {remove.error ? <Problem error={remove.error} /> : null}
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setRemoving(false)}>
            Keep it
          </Button>
          <Button color="red" loading={remove.isPending} onClick={() => remove.mutate()}>
            Remove
          </Button>
        </Group>
      </Modal>
    </Page>
  );
}

const failureOf = (error: { [key: string]: unknown }) =>
  new ApiError({ code: String(error["code"] ?? "server.unreachable"), status: 0, detail: String(error["message"] ?? "It did not answer") });

const adviceOf = (server: ServerDetail): string =>
  server.transport === "stdio"
    ? "Start the command in a terminal, where Penstock runs, to see what it says."
    : server.transport === "http"
      ? "See that the address can be reached from where Penstock runs, with its path, and that its token is right."
      : "See that the worker runs and has its token.";

const SOURCES: Record<ServerDetail["source"], string> = { registry: "added here", file: "servers.json of this installation", builtin: "comes with Penstock" };
const CONSENTS: Record<ServerDetail["consent"], string> = { ask: "a person is asked", allowed: "is given", denied: "is refused" };

function Facts({ server }: { server: ServerDetail }) {
  const config = server.config as Record<string, unknown>;
  const command = [config["command"], ...(Array.isArray(config["args"]) ? config["args"] : [])].filter((one) => typeof one === "string").join(" ");
  const rate = rateOf(server);
  return (
    <Card title="How it is">
      <dl className={css.list}>
        <Fact name="Name">
          <Code>{server.name}</Code>
        </Fact>
        <Fact name="Reached as">
          {TRANSPORTS[server.transport]}
          {command ? <Code className={css.command ?? ""}>{command}</Code> : null}
          {typeof config["url"] === "string" ? <Code className={css.command ?? ""}>{config["url"]}</Code> : null}
        </Fact>
        <Fact name="Written down">{SOURCES[server.source]}</Fact>
        <Fact name="Breaker">
          <Mark of={server.breaker.state} />
          {server.breaker.failures > 0 ? ` after ${plural(server.breaker.failures, "failure")} in a row` : ""}
          {server.breaker.opened_at ? `, since ${dateTime(server.breaker.opened_at)}` : ""}
        </Fact>
        <Fact name="Checked">{server.checked_at ? <span title={dateTime(server.checked_at)}>{ago(server.checked_at)}</span> : "never"}</Fact>
        {server.error ? <Fact name="Last failure">{server.error}</Fact> : null}
        <Fact name="Latency">{server.latency_ms === null ? "not known yet" : duration(server.latency_ms / 1000)}</Fact>
        <Fact name="Protocol">{server.protocol ?? "not known yet"}</Fact>
        <Fact name="Chosen">
          priority {server.priority} of 6, {server.weight}
        </Fact>
        <Fact name="Fallback">{server.fallback ? `used only when no other server can; consent ${CONSENTS[server.consent]}` : "no"}</Fact>
        <Fact name="Rate">{rate ? `${rate} at most` : "no limit"}</Fact>
        <Fact name="At once">
          {server.parallel} calls at most, {server.under_way} now
        </Fact>
        <Fact name="Secrets">{server.secrets.length > 0 ? server.secrets.join(", ") : "none"}</Fact>
        <Fact name="Capabilities">
          {Object.keys(server.capabilities).length === 0 ? (
            "none named"
          ) : (
            <span className={css.chips}>
              {Object.entries(server.capabilities).map(([capability, tool]) => (
                <Code key={capability} title={`served by ${tool}`}>
                  {capability}
                </Code>
              ))}
            </span>
          )}
        </Fact>
      </dl>
    </Card>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
