// The frame of a run's page: its head, what it asks, its tabs, and beside them the step that was chosen. What is small comes
// with the page, so that a tab opens also while the server is away; what is large is fetched when it is needed.

import { Alert, Button, Tabs } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconAlertTriangle, IconPlugConnectedX, IconRoute2 } from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useRef } from "react";
import { Link } from "react-router";
import { why } from "../model/journal.ts";
import { Empty } from "../parts/Empty.tsx";
import { Problem } from "../parts/Problem.tsx";
import { lookOf } from "../parts/Status.tsx";
import { announce } from "../shell/announce.tsx";
import { useTitle } from "../shell/title.ts";
import { Actions } from "./Actions.tsx";
import Artifacts from "./artifacts/Artifacts.tsx";
import Journal from "./Journal.tsx";
import Logs from "./Logs.tsx";
import { Part } from "./Part.tsx";
import Result from "./Result.tsx";
import Timeline from "./timeline/Timeline.tsx";
import { useNow } from "./hooks.ts";
import { Head } from "./Head.tsx";
import { type Move, type Place, type Tab, TABS, usePlace } from "./place.ts";
import { Questions } from "./Questions.tsx";
import css from "./RunFrame.module.css";
import { StepPanel } from "./StepPanel.tsx";
import { type RunStore, useRun } from "./store.ts";
import { Waiting } from "./Waiting.tsx";

const Graph = lazy(() => import("./graph/Graph.tsx"));

const NAMES: Record<Tab, string> = {
  timeline: "Timeline",
  graph: "Graph",
  journal: "Journal",
  artifacts: "Artifacts",
  logs: "Logs",
  result: "Result",
};

export interface TabProps {
  store: RunStore;
  place: Place;
  move: Move;
}

export function RunFrame() {
  const store = useRun();
  const { view } = store;
  const [place, move] = usePlace();
  const wide = useMediaQuery("(min-width: 75em)", true, { getInitialValueInEffect: false });
  const known = view.head > 0;
  useTitle(known ? `${view.workflow}: ${lookOf(view.status).word.toLowerCase()}` : null);
  useSpokenStatus(view.status, known);
  const step = place.step === null ? null : (view.steps.get(place.step) ?? null);
  const closePanel = () => {
    move({ step: null, part: null });
    requestAnimationFrame(() => document.querySelector<HTMLElement>("[data-current]")?.focus());
  };
  if (store.connection === "refused" && !known) return <Refused store={store} />;
  if (!known) return <Opening store={store} />;
  const covered = place.step !== null && !wide; // the panel lies over the page
  const panel = place.step === null ? null : <StepPanel key={place.step} store={store} id={place.step} step={step} place={place} move={move} onClose={closePanel} />;
  return (
    <div className={css.page}>
      <div inert={covered} className={css.top}>
        <Head store={store} actions={<Actions store={store} />} />
      </div>
      <div className={css.notices} inert={covered}>
        <Connection store={store} />
        <Outcome store={store} move={move} />
        <Questions store={store} />
      </div>
      <div className={css.body} data-panel={panel !== null && wide ? true : undefined}>
        <Tabs
          inert={covered}
          className={css.tabs}
          value={place.tab}
          onChange={(tab) => tab && move({ tab: tab as Tab, seq: tab === "journal" ? place.seq : null })}
          keepMounted={false}
          classNames={{ list: css.list ?? "", panel: css.tab ?? "" }}
        >
          <Tabs.List aria-label="What to look at">
            {TABS.map((tab) => (
              <Tabs.Tab key={tab} value={tab}>
                {NAMES[tab]}
                <Count of={countOf(store, tab)} />
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={place.tab} tabIndex={-1}>
            <Part key={place.tab}>
              <Suspense fallback={<Waiting />}>
                <Shown store={store} place={place} move={move} />
              </Suspense>
            </Part>
          </Tabs.Panel>
        </Tabs>
        {panel === null ? null : (
          <aside className={css.panel} data-over={covered || undefined} aria-label={`Step ${place.step}`}>
            {panel}
          </aside>
        )}
      </div>
    </div>
  );
}

function Shown(props: TabProps) {
  switch (props.place.tab) {
    case "timeline":
      return <Timeline {...props} />;
    case "graph":
      return <Graph {...props} />;
    case "journal":
      return <Journal {...props} />;
    case "artifacts":
      return <Artifacts {...props} />;
    case "logs":
      return <Logs {...props} />;
    case "result":
      return <Result {...props} />;
  }
}

function countOf({ view }: RunStore, tab: Tab): number | null {
  if (tab === "journal") return view.head;
  if (tab === "artifacts") return view.artifacts.size || null;
  return tab === "timeline" ? view.steps.size || null : null;
}

function Count({ of }: { of: number | null }) {
  return of === null ? null : <span className={css.count}>{of.toLocaleString()}</span>;
}

/** A quiet sign, and only when it lasts: the page keeps what it has and goes on by itself. */
function Connection({ store }: { store: RunStore }) {
  if (!store.away || store.view.terminal) return null;
  return (
    <div className={css.away} role="status" data-connection={store.connection}>
      <IconPlugConnectedX size={16} aria-hidden />
      Reconnecting: what you see is as it was a moment ago. The run goes on by itself.
    </div>
  );
}

const WARN = { title: css.warn ?? "", icon: css.warn ?? "" };

/** How it ended badly, or why it stands still, and what may be done. */
function Outcome({ store, move }: { store: RunStore; move: Move }) {
  const { view } = store;
  if (view.ending !== null) {
    return (
      <Alert color="yellow" variant="light" classNames={WARN} icon={<IconAlertTriangle size={18} />} title={`It will be ${view.ending}`} p="sm">
        The steps that are under way are being stopped. {why(view.error)}
      </Alert>
    );
  }
  if (view.problems.length > 0) {
    return (
      <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} title="It could not begin" p="sm">
        <ul className={css.problems}>
          {view.problems.map((problem, n) => (
            <li key={n}>
              {problem["pointer"] ? <code>{problem["pointer"]}</code> : null} {problem["message"]}
              {problem["hint"] ? ` (${problem["hint"]})` : ""}
            </li>
          ))}
        </ul>
      </Alert>
    );
  }
  if (view.error === null || view.status === "cancelled") return null;
  const step = failing(store);
  return (
    <Alert
      color={view.status === "paused" ? "yellow" : "red"}
      {...(view.status === "paused" ? { classNames: WARN } : {})}
      variant="light"
      icon={<IconAlertTriangle size={18} />}
      title={view.status === "paused" ? "It stands still until somebody mends this" : "It failed"}
      p="sm"
      role={view.status === "paused" ? "alert" : undefined}
    >
      <div className={css.error}>
        <span>
          {view.error["message"]} <code>{view.error["code"]}</code>
        </span>
        {step !== null ? (
          <Button size="compact-sm" variant="default" leftSection={<IconRoute2 size={15} />} onClick={() => move({ step })}>
            See {step}
          </Button>
        ) : null}
      </div>
    </Alert>
  );
}

/** The step whose error is the run's. */
function failing({ view }: RunStore): string | null {
  const named = view.error?.["step"];
  if (typeof named === "string" && view.steps.has(named)) return named;
  const status = view.status === "paused" ? "paused" : "failed";
  return view.order.findLast((step) => step.status === status && step.error?.["code"] === view.error?.["code"] && step.error?.["message"] === view.error?.["message"])?.id ?? null;
}

function Refused({ store }: { store: RunStore }) {
  if (store.error?.status === 404) {
    return (
      <Empty
        title="There is no such run"
        actions={
          <Button component={Link} to="/runs" variant="default">
            All runs
          </Button>
        }
      >
        <code>{store.runId}</code> was never here, or belongs to another group.
      </Empty>
    );
  }
  return (
    <div className={css.notices}>
      <Problem error={store.error} title="This run cannot be shown" retry={() => window.location.reload()} />
    </div>
  );
}

function Opening({ store }: { store: RunStore }) {
  useNow(store, true);
  return (
    <div className={css.opening}>
      {store.connection === "waiting" ? <Problem error={store.error} title="Penstock does not answer yet" /> : <Waiting />}
    </div>
  );
}

function useSpokenStatus(status: string, known: boolean): void {
  const before = useRef<string | null>(null);
  useEffect(() => {
    if (!known) return;
    if (before.current !== null && before.current !== status) announce(`The run is ${lookOf(status).word.toLowerCase()}`);
    before.current = status;
  }, [status, known]);
}

