// Moving the focus to what a command has just brought up.

const INSIDE = "input, textarea, select, button, .cm-content, [tabindex]";

/** Focuses what a selector finds once it is drawn; of a path, the field nearest to it that there is. */
export function focusSoon(selector: string, path: readonly string[] = []): void {
  let tries = 0;
  const look = () => {
    const found = document.querySelector<HTMLElement>(selector) ?? nearest(path);
    const field = found && (found.matches(INSIDE) ? found : found.querySelector<HTMLElement>(INSIDE));
    if (field && field.offsetParent !== null) {
      field.focus();
      field.scrollIntoView({ block: "nearest" });
    } else if (tries++ < 20) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

function nearest(path: readonly string[]): HTMLElement | null {
  for (let length = path.length; length > 0; length--) {
    const pointer = path.slice(0, length).map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
    const found = document.querySelector<HTMLElement>(`[data-pointer="${CSS.escape(pointer)}"]`);
    if (found) return found;
  }
  return path.length ? document.querySelector<HTMLElement>("[data-inspector] [data-autofocus]") : null;
}
