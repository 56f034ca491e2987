import { useTitle } from "../shell/title.ts";

export function Component() {
  useTitle("Runs");
  return <h1>Runs</h1>;
}
