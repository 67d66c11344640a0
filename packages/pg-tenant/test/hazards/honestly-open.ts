import type { IsolationLevel } from '../../src/index.ts'
import type { AttackReport, Verdict } from '../../src/testing/attack/index.ts'

/** What a level leaves open on a database as it comes (SECURITY.md says the same); everything else is stopped. */
export const HONESTLY_OPEN: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: [
    'm.pg_notify',
    'n',
    'n.registry',
    'o.names',
    'o.set_config',
    'o.do',
    'o.portal',
    'p.outside',
    "k'.temp",
    'o.public',
  ],
  role: ['m.pg_notify', 'n', 'o.set_config', 'o.do', 'o.portal', "k'.temp", 'o.public'],
  login: ['m.pg_notify', 'n', "k'.temp", 'o.public'],
  row: ['m.pg_notify', 'n', 'n.registry', 'o.set_config', 'o.do', 'o.portal', "k'.temp", 'o.public'],
  database: ['m.pg_notify', "k'.temp", 'o.public'],
}

const NO_SHARED_TABLES = ['row.write', 'row.unset', 'row.policy', 'row.definer', 'row.leak']

/** Attacks that make no sense at a level. */
export const NOT_APPLICABLE: Readonly<Record<IsolationLevel, readonly string[]>> = {
  schema: NO_SHARED_TABLES,
  role: NO_SHARED_TABLES,
  login: NO_SHARED_TABLES,
  row: [],
  database: NO_SHARED_TABLES,
}

export function idsOf({ findings }: AttackReport, verdict: Verdict): string[] {
  return findings.filter((finding) => finding.verdict === verdict).map(({ id }) => id)
}

/** Those of findings that belong to attacks which were tried. */
export const among = (tried: readonly string[], ids: readonly string[]): string[] =>
  ids.filter((id) => tried.some((one) => id === one || id.startsWith(`${one}.`)))
