// How this installation is set: what is allowed, what may be spent, how it looks, and what it is.

import { Tabs } from "@mantine/core";
import { IconCoin, IconInfoCircle, IconKeyboard, IconPalette, IconShieldCheck } from "@tabler/icons-react";
import { useNavigate, useParams } from "react-router";
import { Page } from "../parts/Page.tsx";
import { useTitle } from "../shell/title.ts";
import { About } from "./About.tsx";
import { Appearance } from "./Appearance.tsx";
import { Budgets } from "./Budgets.tsx";
import { Keyboard } from "./Keyboard.tsx";
import { Policies } from "./Policies.tsx";
import css from "./Settings.module.css";

const PARTS = [
  { value: "policies", label: "Policies", icon: IconShieldCheck, Part: Policies },
  { value: "budgets", label: "Budgets", icon: IconCoin, Part: Budgets },
  { value: "appearance", label: "Appearance", icon: IconPalette, Part: Appearance },
  { value: "shortcuts", label: "Shortcuts", icon: IconKeyboard, Part: Keyboard },
  { value: "about", label: "About", icon: IconInfoCircle, Part: About },
] as const;

export function Component() {
  const { part } = useParams();
  const navigate = useNavigate();
  const now = PARTS.find((one) => one.value === part) ?? PARTS[0];
  useTitle(`Settings: ${now.label}`);
  return (
    <Page title="Settings">
      <Tabs value={now.value} onChange={(next) => void navigate(`/settings/${next}`)} keepMounted={false}>
        <Tabs.List mb="lg" className={css.tabs ?? ""} aria-label="Settings">
          {PARTS.map(({ value, label, icon: Icon }) => (
            <Tabs.Tab key={value} value={value} leftSection={<Icon size={16} aria-hidden />}>
              {label}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {PARTS.map(({ value, Part }) => (
          <Tabs.Panel key={value} value={value}>
            <Part />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
