// A part of the page that may fail alone, such as one that could not be fetched because the server was away: the rest goes on.

import { Button } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { Problem } from "../parts/Problem.tsx";

export class Part extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <Problem error={this.state.error} title="This part of the page could not be shown">
        <Button size="compact-sm" variant="default" mt="xs" onClick={() => window.location.reload()}>
          Load the page again
        </Button>
      </Problem>
    );
  }
}
