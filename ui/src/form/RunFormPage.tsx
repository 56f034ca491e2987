import { useTitle } from "../shell/title.ts";

export function Component() {
  useTitle("Run");
  return <h1>Run</h1>;
}
