// The gate in the channel, and the way home.

import { Link } from "react-router";
import css from "./Brand.module.css";

export function Brand() {
  return (
    <Link to="/" className={css.brand} aria-label="Penstock, home">
      <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden>
        <rect width="32" height="32" rx="7" fill="var(--mantine-color-water-8)" />
        <path d="M6 8h20v5.500h-6.500V25h-7V13.500H6z" fill="#fff" />
        <path d="M6 16.500h4M22 16.500h4" stroke="#99e9f2" strokeWidth="2.500" strokeLinecap="round" />
      </svg>
      <span className={css.name}>Penstock</span>
    </Link>
  );
}
