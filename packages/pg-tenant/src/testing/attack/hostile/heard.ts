import type { IsolationLevel } from '../../../isolation/isolation.ts'
import { RIGHTS, type Right, SAID } from './probe.ts'

/** What one piece of planted code said of itself. */
export interface Report {
  readonly kind: string
  /** `session_user` */
  readonly session: string
  /** `current_user` */
  readonly user: string
  readonly had: readonly Right[]
}

/** The report in the text of a notice, if it is one of ours. */
export function reportIn(notice: string): Report | undefined {
  const at = notice.indexOf(SAID)
  if (at < 0) return undefined
  const { kind, session, user, had } = JSON.parse(notice.slice(at + SAID.length)) as Record<string, unknown>
  const rights = RIGHTS.filter((right) => Array.isArray(had) && had.includes(right))
  return { kind: String(kind), session: String(session), user: String(user), had: rights }
}

const OF_THE_APPLICATION: readonly Right[] = [
  'application',
  'victim role',
  'victim rows',
  'victim schema',
  // Sealed; it reads the registry.
  'credentials',
]

/** At these levels the application may act for every tenant, and whatever runs in its session may: as SECURITY.md says. */
const OPEN: Readonly<Record<IsolationLevel, readonly Right[]>> = {
  // There the application is no member of the tenants' roles.
  schema: OF_THE_APPLICATION.filter((right) => right !== 'victim role'),
  role: OF_THE_APPLICATION,
  login: [],
  database: [],
  row: [],
}

/** The rights in it that planted code must not have at that level. */
export function stolen(level: IsolationLevel, { had }: Report): readonly Right[] {
  return had.filter((right) => !OPEN[level].includes(right))
}
