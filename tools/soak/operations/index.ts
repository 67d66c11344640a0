import { Weighted } from '../random.ts'
import { GOVERNED } from './governed.ts'
import { HOSTILE_FLOW } from './hostile-flow.ts'
import { HOSTILE_SESSION } from './hostile-session.ts'
import { HOSTILE_TIME } from './hostile-time.ts'
import type { OperationKind } from './kind.ts'
import { LEAVING } from './leftovers.ts'
import { ORDINARY } from './ordinary.ts'
import { PROBES } from './probes.ts'

const HOSTILE = [...HOSTILE_SESSION, ...LEAVING, ...HOSTILE_FLOW, ...HOSTILE_TIME]

const weightOf = (kind: OperationKind): number => kind.weight

/** What operations are drawn from. */
export interface Kinds {
  readonly ordinary: Weighted<OperationKind>
  readonly hostile: Weighted<OperationKind>
}

/** All kinds but those with one of `without` in their name. */
export function kindsWithout(without: readonly string[], governance = false): Kinds {
  const wanted = ({ name }: OperationKind) => !without.some((part) => name.includes(part))
  return {
    ordinary: new Weighted(
      [...ORDINARY, ...PROBES, ...(governance ? GOVERNED : [])].filter(wanted),
      weightOf,
    ),
    hostile: new Weighted(HOSTILE.filter(wanted), weightOf),
  }
}
