// What a run made: a list, and the chosen one shown as what it is.

import { Anchor, Button } from "@mantine/core";
import { IconBraces, IconDownload, IconFile, IconFileDiff, IconFileText, IconMarkdown, IconPackage, IconPhoto, IconTable } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { api, API } from "../../api/client.ts";
import { type Shown, shownAs } from "../../model/artifact.ts";
import { Empty } from "../../parts/Empty.tsx";
import { ago, bytes, dateTime } from "../../parts/format.ts";
import type { TabProps } from "../RunFrame.tsx";
import css from "./Artifacts.module.css";
import { Content } from "./Content.tsx";

const ICONS: Record<Shown, typeof IconFile> = {
  markdown: IconMarkdown,
  json: IconBraces,
  table: IconTable,
  diff: IconFileDiff,
  image: IconPhoto,
  text: IconFileText,
  binary: IconFile,
};

export interface Item {
  name: string;
  mime: string;
  digest: string | null;
  size: number | null;
  step: string | null;
  at: number | null;
  url: string;
  derived: boolean;
}

export default function Artifacts({ store, place, move }: TabProps) {
  const { view, runId } = store;
  const { data } = useQuery({
    queryKey: ["runs", runId, "artifacts", view.terminal ? "ended" : "open"],
    queryFn: ({ signal }) => api.get("/runs/{run_id}/artifacts", { path: { run_id: runId }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const own: Item[] = [...view.artifacts.values()].map((one) => ({ ...one, url: urlOfName(runId, one.name), derived: false }));
  const made: Item[] = (data?.artifacts ?? []).filter((one) => one.derived && !view.artifacts.has(one.name)).map((one) => ({ ...one, at: null, url: one.url }));
  const items = [...own, ...made];
  // Steps side by side end in any order: what is written for people stands first, and otherwise what was made first.
  const first = own.find((one) => one.name.endsWith(".md")) ?? items[0];
  const chosen = items.find((one) => one.name === place.artifact) ?? (place.artifact === null ? first : undefined);
  return (
    <div className={css.artifacts}>
      <nav className={css.list} aria-label="Artifacts">
        {own.length === 0 ? <p className={css.none}>{view.terminal ? "No step saved a file." : "Files appear here as steps save them."}</p> : null}
        <Names items={own} chosen={chosen} move={move} />
        {made.length > 0 ? <p className={css.group}>Of every run</p> : null}
        <Names items={made} chosen={chosen} move={move} />
      </nav>
      {chosen === undefined ? (
        <Empty compact icon={<IconPackage size={26} />} title={place.artifact === null ? "Nothing was made yet" : "There is no such artifact"}>
          {place.artifact === null ? "Files that steps save appear here." : `This run has none with the name ${place.artifact}, or not yet.`}
        </Empty>
      ) : (
        <section className={css.shown} aria-label={chosen.name}>
          <header className={css.head}>
            <h2>{chosen.name}</h2>
            <span className={css.facts}>
              {[chosen.mime, chosen.size === null ? "" : bytes(chosen.size)].filter(Boolean).join(" · ")}
              {chosen.step !== null ? (
                <>
                  {" · by "}
                  <Anchor component="button" type="button" inherit onClick={() => move({ step: chosen.step })}>
                    {chosen.step}
                  </Anchor>
                </>
              ) : null}
              {chosen.at !== null ? <span title={dateTime(chosen.at)}> · {ago(chosen.at)}</span> : null}
            </span>
            <Button component="a" href={chosen.url} download={chosen.name.split("/").at(-1)} size="compact-sm" variant="default" leftSection={<IconDownload size={15} />}>
              Download
            </Button>
          </header>
          <Content key={`${chosen.name}:${chosen.digest ?? view.head}`} item={chosen} runId={runId} />
        </section>
      )}
    </div>
  );
}

function Names({ items, chosen, move }: { items: Item[]; chosen: Item | undefined; move: TabProps["move"] }) {
  if (items.length === 0) return null;
  return (
    <ul className={css.names}>
      {items.map((one) => {
        const Icon = ICONS[shownAs(one.name, one.mime)];
        return (
          <li key={one.name}>
            <button type="button" className={css.name} aria-current={one.name === chosen?.name || undefined} onClick={() => move({ artifact: one.name }, { replace: true })}>
              <Icon size={16} aria-hidden />
              <span>{one.name}</span>
              {one.size === null ? null : <small>{bytes(one.size)}</small>}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function urlOfName(runId: string, name: string): string {
  return `${API}/runs/${encodeURIComponent(runId)}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`;
}
