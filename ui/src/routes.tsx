// Every page has a URL, and is loaded when it is first asked for. To add one: a folder with a page that exports `Component`,
// and one line here; a line with `nav` also stands in the navigation and in the search.

import type { ComponentType } from "react";
import type { RouteObject } from "react-router";
import { NotFound } from "./shell/NotFound.tsx";
import { Broken } from "./shell/Broken.tsx";
import { Shell } from "./shell/Shell.tsx";
import { type NavItem, navOf } from "./shell/nav.ts";

type Page = () => Promise<{ Component: ComponentType }>;

const at = (path: string, lazy: Page, nav?: NavItem): RouteObject => ({
  ...(path === "" ? { index: true } : { path }),
  lazy,
  ...(nav ? { handle: nav } : {}),
});

const pages: RouteObject[] = [
  at("", () => import("./catalog/CatalogPage.tsx"), { label: "Catalog", icon: "catalog", hint: "Workflows, ready to run" }),
  at("workflows/:slug/run", () => import("./form/RunFormPage.tsx")),
  at("runs", () => import("./runs/RunsPage.tsx"), { label: "Runs", icon: "runs", hint: "What ran, and what runs now" }),
  at("runs/:id", () => import("./run/RunPage.tsx")),
];

export const routes: RouteObject[] = [
  {
    path: "/",
    element: <Shell nav={navOf(pages)} />,
    ErrorBoundary: Broken,
    HydrateFallback: () => null,
    children: [{ ErrorBoundary: Broken, children: [...pages, { path: "*", Component: NotFound }] }],
  },
];
