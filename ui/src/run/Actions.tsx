// What may be done with a run, as its state allows: stop it, hold it, let it go on, or begin another one like it.

import { Button, Group, Menu, Modal, NumberInput, Stack, Text, Textarea } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDots, IconDownload, IconGitFork, IconPencil, IconPlayerPause, IconPlayerPlay, IconPlayerStop, IconRepeat } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { useNavigate } from "react-router";
import { api } from "../api/client.ts";
import { keys } from "../api/queries.ts";
import { isPointer } from "../model/events.ts";
import { runJson } from "../model/wire.ts";
import { toastDone, toastError } from "../shell/toast.tsx";
import { download } from "./hooks.ts";
import type { RunStore } from "./store.ts";
import { wholeOf } from "./values.ts";

const EditModal = lazy(() => import("./EditModal.tsx"));

export function Actions({ store }: { store: RunStore }) {
  const { view, runId } = store;
  const act = useAct();
  const navigate = useNavigate();
  const [cancelling, cancelIs] = useDisclosure(false);
  const [editing, editIs] = useDisclosure(false);
  const [forking, forkIs] = useDisclosure(false);
  const { status } = view;
  const going = !view.terminal;
  const begin = async (inputs: unknown) => {
    const run = await api.post("/runs", {
      body: { workflow: view.workflow, version: view.version, inputs: inputs as Record<string, unknown>, run_mode: view.mode as "full_run" },
      idempotencyKey: true,
    });
    await navigate(`/runs/${run.run_id}`);
  };
  const again = () =>
    act.go("Run again", async () => {
      await begin(isPointer(view.inputs) ? await wholeOf(view.inputs, runId) : view.inputs);
      toastDone("A new run with the same inputs began");
    });
  return (
    <Group gap="xs" wrap="nowrap">
      {status === "paused" ? (
        <Button
          size="xs"
          leftSection={<IconPlayerPlay size={15} />}
          loading={act.busy}
          onClick={() => act.go("Resume", () => api.post("/runs/{run_id}/resume", { path: { run_id: runId }, body: {}, idempotencyKey: true }))}
        >
          Resume
        </Button>
      ) : null}
      {going && status !== "paused" && view.ending === null ? (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerPause size={15} />}
          loading={act.busy}
          onClick={() => act.go("Pause", () => api.post("/runs/{run_id}/pause", { path: { run_id: runId } }))}
        >
          Pause
        </Button>
      ) : null}
      {going && view.ending === null ? (
        <Button size="xs" variant="default" leftSection={<IconPlayerStop size={15} />} onClick={cancelIs.open}>
          Cancel
        </Button>
      ) : null}
      {going ? null : (
        <Button size="xs" leftSection={<IconRepeat size={15} />} loading={act.busy} onClick={again}>
          Run again
        </Button>
      )}
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button size="xs" variant="default" px={8} aria-label="More actions">
            <IconDots size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {going ? (
            <Menu.Item leftSection={<IconRepeat size={15} />} onClick={again}>
              Run again
            </Menu.Item>
          ) : null}
          <Menu.Item leftSection={<IconPencil size={15} />} onClick={editIs.open}>
            Run again with other inputs…
          </Menu.Item>
          <Menu.Item leftSection={<IconGitFork size={15} />} onClick={forkIs.open}>
            Fork…
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconDownload size={15} />}
            onClick={() => download(`${runId}.json`, JSON.stringify({ ...runJson(view), events: view.events }, null, 1))}
          >
            Download as JSON
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {cancelling ? <CancelModal store={store} onClose={cancelIs.close} /> : null}
      <Suspense>
        {editing ? (
          <EditModal
            title="Run again with other inputs"
            label="Inputs, as JSON"
            value={view.inputs}
            runId={runId}
            go="Run"
            onClose={editIs.close}
            onDone={async (inputs) => {
              await begin(inputs);
              toastDone("A new run began");
            }}
          />
        ) : null}
        {forking ? <ForkModal store={store} at={view.head} onClose={forkIs.close} /> : null}
      </Suspense>
    </Group>
  );
}

function CancelModal({ store, onClose }: { store: RunStore; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const act = useAct();
  const cancel = () =>
    act.go("Cancel the run", async () => {
      await api.post("/runs/{run_id}/cancel", { path: { run_id: store.runId }, body: { reason: reason.trim() || null } });
      onClose();
    });
  return (
    <Modal opened onClose={onClose} title="Cancel this run?">
      <Stack>
        <Text size="sm">Steps that are under way are stopped. What is done stays done, and the run can be forked later.</Text>
        <Textarea label="Why, for those who read it later" value={reason} onChange={(event) => setReason(event.currentTarget.value)} maxLength={1000} autosize data-autofocus />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Let it run
          </Button>
          <Button color="red" loading={act.busy} onClick={cancel}>
            Cancel the run
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

/** A new run that begins where this one was after event `at`. */
export function ForkModal({ store, at, onClose }: { store: RunStore; at: number; onClose: () => void }) {
  const navigate = useNavigate();
  const act = useAct();
  const [seq, setSeq] = useState(String(at));
  const place = Number(seq);
  const valid = Number.isInteger(place) && place >= 1 && place <= store.view.head;
  const fork = () =>
    act.go("Fork", async () => {
      const run = await api.post("/runs/{run_id}/fork", { path: { run_id: store.runId }, body: { at: place }, idempotencyKey: true });
      onClose();
      toastDone("The fork goes on from there");
      await navigate(`/runs/${run.run_id}`);
    });
  const event = valid ? store.view.events[place - 1] : undefined;
  const over = event !== undefined && /^run\.(completed|failed|cancelled)$/.test(event.kind);
  return (
    <Modal opened onClose={onClose} title="Fork this run">
      <form
        onSubmit={(submitted) => {
          submitted.preventDefault();
          if (valid && !over) void fork();
        }}
      >
        <Stack>
          <Text size="sm">A new run with the same past, which goes on by itself. What was kept up to there is not done again.</Text>
          <NumberInput label="Last event that is copied" min={1} max={store.view.head} allowDecimal={false} value={seq} onChange={(changed) => setSeq(String(changed))} data-autofocus />
          <Text size="sm" c="dimmed" role="status">
            {event === undefined ? `There are the events 1 to ${store.view.head}.` : over ? "The run was over then: choose an earlier event." : `${event.kind} ${event.data["step"] ?? ""}`}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Do not
            </Button>
            <Button type="submit" loading={act.busy} disabled={!valid || over}>
              Fork
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Do something once at a time; what goes wrong is told. */
export function useAct(): { busy: boolean; go: (what: string, how: () => Promise<unknown>) => Promise<void> } {
  const [busy, setBusy] = useState(false);
  const queries = useQueryClient();
  const go = async (what: string, how: () => Promise<unknown>) => {
    setBusy(true);
    try {
      await how();
      void queries.invalidateQueries({ queryKey: keys.runs });
      void queries.invalidateQueries({ queryKey: keys.approvals });
    } catch (error) {
      toastError(what, error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, go };
}
