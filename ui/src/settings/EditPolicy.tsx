// A policy as a form. The server reads it while it is typed, and says what it cannot understand; it can be tried on a run before
// it holds.

import { Button, Checkbox, Group, Input, Modal, NumberInput, Select, Stack, Switch, Text, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api } from "../api/client.ts";
import { ApiError } from "../api/problem.ts";
import type { Policy } from "../api/schema.d.ts";
import { Problem } from "../parts/Problem.tsx";
import { announce } from "../shell/announce.tsx";
import { toastDone } from "../shell/toast.tsx";
import { blank, bodyOf, changesOf, type Draft, draftOf, OUTCOMES, type Outcome, type Point, POINTS, unreadable, type What, WHATS } from "./policy.ts";
import { POLICIES } from "./queries.ts";
import css from "./Settings.module.css";
import { Rehearsal } from "./TestRun.tsx";

interface EditPolicyProps {
  /** null makes a new one */
  policy: Policy | null;
  known: readonly string[];
  onClose: () => void;
}

export default function EditPolicy({ policy, known, onClose }: EditPolicyProps) {
  const queries = useQueryClient();
  const [name, setName] = useState(policy?.name ?? "");
  const [draft, setDraft] = useState<Draft>(() => (policy ? draftOf(policy) : blank));
  const [tried, setTried] = useState(false);
  const put = useMutation({
    mutationFn: () => api.put("/policies/{name}", { path: { name: name.trim() }, body: (policy ? changesOf(draft, policy) : bodyOf(draft)) as never }),
    onSuccess: () => done(`Policy ${name.trim()} holds`),
  });
  const remove = useMutation({
    mutationFn: () => api.delete("/policies/{name}", { path: { name } }),
    onSuccess: () => done(policy?.source === "group" ? `Policy ${name} is gone` : `Policy ${name} is as it was`),
  });
  const done = (said: string) => {
    toastDone(said);
    announce(said);
    void queries.invalidateQueries({ queryKey: POLICIES });
    onClose();
  };
  const change = <K extends keyof Draft>(key: K, value: Draft[K]) => {
    setDraft((before) => ({ ...before, [key]: value }));
    put.reset();
  };
  const condition = useCondition(draft);
  const problem = put.error ? ApiError.of(put.error) : remove.error ? ApiError.of(remove.error) : null;
  const at = (pointer: string) => problem?.errors.find((one) => one.pointer === pointer || one.pointer.startsWith(`${pointer}/`))?.message ?? null;
  const wrong = {
    name: name.trim() === "" ? "What is it called?" : policy === null && known.includes(name.trim()) ? "There is one of this name: edit that" : null,
    on: draft.on.length === 0 ? "When is it asked?" : null,
    what: draft.then === "redact" && draft.what.length === 0 ? "What is taken out?" : null,
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    const first = wrong.name ?? wrong.on ?? wrong.what ?? condition;
    if (first) announce(first);
    else put.mutate();
  };
  return (
    <Modal opened onClose={onClose} title={policy ? `Policy ${policy.name}` : "New policy"} size="xl">
      <form onSubmit={submit} noValidate>
        <Stack>
          {policy ? null : <TextInput label="Name" withAsterisk data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} error={tried ? wrong.name : null} />}
          <Checkbox.Group label="When it is asked" withAsterisk value={draft.on} onChange={(on) => change("on", POINTS.map((one) => one.value).filter((one) => on.includes(one)) as Point[])} error={(tried ? wrong.on : null) ?? at("/on")}>
            <div className={css.boxes}>
              {POINTS.map((one) => (
                <Checkbox key={one.value} value={one.value} label={one.label} />
              ))}
            </div>
          </Checkbox.Group>
          <Textarea
            label="Condition"
            description={"An expression over run, step, call, agent, found and touched, such as call.tool == \"run_command\". Empty: always."}
            classNames={{ input: css.code ?? "" }}
            autosize
            minRows={1}
            maxRows={8}
            spellCheck={false}
            value={draft.when}
            onChange={(event) => change("when", event.currentTarget.value)}
            error={condition ?? at("/when")}
          />
          <Group grow align="flex-start">
            <Select
              label="What happens"
              description={OUTCOMES.find((one) => one.value === draft.then)?.means}
              data={OUTCOMES.map(({ value, label }) => ({ value, label }))}
              value={draft.then}
              allowDeselect={false}
              onChange={(then) => change("then", then as Outcome)}
              error={at("/then")}
            />
            <NumberInput label="Priority" description="An allow ends the say of those with a lower one" allowDecimal={false} value={draft.priority} onChange={(value) => change("priority", Number(value) || 0)} error={at("/priority")} />
          </Group>
          {draft.then === "redact" ? (
            <Checkbox.Group label="What is taken out" withAsterisk value={draft.what} onChange={(what) => change("what", what as What[])} error={(tried ? wrong.what : null) ?? at("/what")}>
              <Group mt={4}>
                {WHATS.map((one) => (
                  <Checkbox key={one.value} value={one.value} label={one.label} />
                ))}
              </Group>
            </Checkbox.Group>
          ) : null}
          <TextInput label="What people and models are told" value={draft.message} onChange={(event) => change("message", event.currentTarget.value)} error={at("/message")} />
          <Switch label="It holds" checked={draft.enabled} onChange={(event) => change("enabled", event.currentTarget.checked)} />
          <Input.Wrapper label="Try it on a run, before it holds" labelElement="div">
            <Rehearsal policies={{ [name.trim() || "new policy"]: bodyOf({ ...draft, enabled: true }) }} only={name.trim() || "new policy"} disabled={condition !== null} />
          </Input.Wrapper>
          {problem ? <Problem error={problem} title="The policy was not kept" /> : null}
          <Group justify="space-between">
            {policy && policy.changed.length > 0 ? (
              <Button variant="default" loading={remove.isPending} onClick={() => remove.mutate()}>
                {policy.source === "group" ? "Delete it" : "Take back what was changed here"}
              </Button>
            ) : (
              <Text size="sm" c="dimmed">
                It holds at once.
              </Text>
            )}
            <Group gap="xs">
              <Button variant="default" onClick={onClose}>
                Close
              </Button>
              <Button type="submit" loading={put.isPending}>
                Keep
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const TRIAL = "trial";

/** What the server cannot understand of the condition; null while it can, or is not asked yet. */
function useCondition(draft: Draft): string | null {
  const [when] = useDebouncedValue(draft.when.trim(), 300);
  const { data } = useQuery({
    queryKey: [...POLICIES, "condition", when],
    queryFn: ({ signal }) =>
      api.post("/policies/test", { body: { point: "tool.call", value: "", policies: { [TRIAL]: { on: ["tool.call"], then: "deny", when } } } as never, signal }),
    enabled: when !== "" && when === draft.when.trim(),
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
  return draft.when.trim() === "" || when !== draft.when.trim() ? null : unreadable(data?.items[0]);
}
