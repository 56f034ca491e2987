// The page of a run. Everything on it is a fold of the journal: it is read once, then followed.

import { useEffect, useState } from "react";
import { useParams } from "react-router";
import { RunStore, RunContext } from "./store.ts";
import { RunFrame } from "./RunFrame.tsx";

export function Component() {
  const { id = "" } = useParams();
  return <OneRun key={id} id={id} />;
}

function OneRun({ id }: { id: string }) {
  const [store] = useState(() => new RunStore(id));
  useEffect(() => store.start(), [store]);
  return (
    <RunContext value={store}>
      <RunFrame />
    </RunContext>
  );
}
