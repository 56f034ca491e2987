// Markdown as models and people write it. Raw HTML is shown as text, links to other places open there, and images only come
// from this server: what a run wrote must not tell others who reads it.

import { Anchor, Table } from "@mantine/core";
import type { ComponentProps } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import css from "./Markdown.module.css";
import { Scrolling } from "./Scrolling.tsx";

const PLUGINS = [remarkGfm];

const PARTS: Components = {
  a: Link,
  img: Picture,
  table: Wide,
  pre: Block,
};

export default function Markdown({ text }: { text: string }) {
  return (
    <div className={css.markdown}>
      <ReactMarkdown remarkPlugins={PLUGINS} components={PARTS}>
        {text}
      </ReactMarkdown>
    </div>
  );
}

function Link({ href, children }: ComponentProps<"a">) {
  return (
    <Anchor href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </Anchor>
  );
}

function Picture({ src, alt }: ComponentProps<"img">) {
  if (typeof src === "string" && /^(data:image\/|\/api\/)/.test(src)) return <img src={src} alt={alt ?? ""} />;
  return <Link href={typeof src === "string" ? src : ""}>{alt || "image"}</Link>;
}

function Wide({ children }: ComponentProps<"table">) {
  return (
    <Scrolling label="Table" className={css.wide}>
      <Table withTableBorder>{children}</Table>
    </Scrolling>
  );
}

function Block({ children }: ComponentProps<"pre">) {
  return (
    <Scrolling label="Code" className={css.pre}>
      <pre>{children}</pre>
    </Scrolling>
  );
}
