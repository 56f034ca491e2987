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
  at("workflows/new", () => import("./editor/NewPage.tsx")),
  at("workflows/:slug/edit", () => import("./editor/EditorPage.tsx")),
  at("workflows/:slug/versions", () => import("./compare/VersionsPage.tsx")),
  at("workflows/:slug/compare", () => import("./compare/ComparePage.tsx")),
  at("runs", () => import("./runs/RunsPage.tsx"), { label: "Runs", icon: "runs", hint: "What ran, and what runs now" }),
  at("runs/:id", () => import("./run/RunPage.tsx")),
  at("inbox", () => import("./inbox/InboxPage.tsx"), { label: "Inbox", icon: "inbox", hint: "What runs ask of people", badge: "approvals" }),
  at("dead-letters", () => import("./letters/LettersPage.tsx"), { label: "Dead letters", icon: "deadLetters", hint: "What failed for good, to be mended and sent again" }),
  at("servers", () => import("./servers/ServersPage.tsx"), { label: "Servers", icon: "servers", hint: "MCP servers, their tools and capabilities" }),
  at("servers/:name", () => import("./servers/ServerPage.tsx")),
  at("secrets", () => import("./secrets/SecretsPage.tsx"), { label: "Providers", icon: "secrets", hint: "Keys of models, and all other secrets" }),
  at("settings", () => import("./settings/SettingsPage.tsx"), { label: "Settings", icon: "settings", hint: "Policies, budgets, colours, and what this is" }),
  at("settings/:part", () => import("./settings/SettingsPage.tsx")),
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
