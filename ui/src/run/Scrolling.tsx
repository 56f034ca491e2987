// A part of the page that scrolls by itself: it can be reached and scrolled with the keyboard, and has a name.

import type { CSSProperties, ReactNode, Ref } from "react";

interface ScrollingProps {
  label: string;
  className?: string | undefined;
  children: ReactNode;
  ref?: Ref<HTMLDivElement>;
  style?: CSSProperties;
  [data: `data-${string}`]: unknown;
}

export function Scrolling({ label, ...more }: ScrollingProps) {
  // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- without it the keyboard could not scroll (WCAG 2.1.1)
  return <div role="region" aria-label={label} tabIndex={0} {...more} />;
}
