// While something is on its way: nothing for the blink of an eye, then a sign.

import { Loader } from "@mantine/core";
import css from "./Waiting.module.css";

export function Waiting({ label = "Loading" }: { label?: string }) {
  return (
    <div className={css.waiting} role="status">
      <Loader size="sm" aria-hidden />
      <span className="visually-hidden">{label}</span>
    </div>
  );
}
