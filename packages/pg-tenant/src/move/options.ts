import { integerOption, invalidOption, type OptionNames, requireKnownOptions, signalOption } from '@org/core'
import type { OnBusy, Patience } from '../offboard/drain.ts'

/** How far a move has come, as {@link MoveOptions.onProgress} is told. */
export type MoveStep = 'checked' | 'ahead' | 'closed' | 'copied' | 'switched' | 'opened' | 'left'

/** Options of {@link Fleet.move}. */
export interface MoveOptions {
  /** Where it is to be now; another place is refused (default: wherever it is). */
  readonly from?: string | undefined
  /** Checks everything that can be checked and changes nothing (default false). */
  readonly dryRun?: boolean | undefined
  /** Calls off a move that was cut off, as long as the tenant has not changed hands (default false). */
  readonly undo?: boolean | undefined
  /** Milliseconds running scopes get to end (default 10,000; 1 to 3,600,000). */
  readonly drain?: number | undefined
  /** What happens to scopes that do not end in time: `report` (default) refuses, `terminate` ends their connections. */
  readonly onBusy?: OnBusy | undefined
  /** As `restore`: whether every table is read back (default `full`), or the archive's digests are trusted. */
  readonly verify?: 'full' | 'archive' | undefined
  /**
   * `stream` (default): it is copied when it is closed, and out of service meanwhile. `replication`: a copy is sent ahead and follows it
   * (logical replication), so that the gap is short however large it is; needs `wal_level` `logical` and REPLICATION where it is,
   * `SET` on `session_replication_role` where it goes, and a primary key for each table.
   */
  readonly copy?: 'stream' | 'replication' | undefined
  /** Bytes that are free in the cluster it goes to, where you know that: a tenant that takes more is refused (not at level `row`). */
  readonly room?: number | undefined
  /** What may be lost although no archive holds it, or stay behind, by name, as the refusal names it (default: nothing). */
  readonly lose?: readonly string[] | undefined
  /** Told of each step; what it throws is ignored. */
  readonly onProgress?: ((step: MoveStep) => void) | undefined
  /** Stops the move: until the tenant changes hands that calls it off; behind that it has no effect. */
  readonly signal?: AbortSignal | undefined
}

export interface MoveSettings {
  readonly from: string | undefined
  readonly dryRun: boolean
  readonly undo: boolean
  readonly verify: 'full' | 'archive'
  readonly copy: 'stream' | 'replication'
  readonly room: number | undefined
  readonly lose: readonly string[]
  readonly patience: Patience
  tell(step: MoveStep): void
}

const KNOWN: OptionNames<MoveOptions> = {
  from: true,
  dryRun: true,
  undo: true,
  drain: true,
  onBusy: true,
  verify: true,
  copy: true,
  room: true,
  lose: true,
  onProgress: true,
  signal: true,
}

/** @throws TenancyError INVALID_OPTION */
export function parseMove(options: MoveOptions = {}): MoveSettings {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  requireKnownOptions(options, KNOWN)
  const { from, dryRun = false, undo = false, drain: drainMs = 10_000, onBusy = 'report' } = options
  const { verify = 'full', copy = 'stream', room, lose = [], onProgress, signal } = options
  if (from !== undefined && typeof from !== 'string') throw invalidOption('from', 'the name of a placement')
  if (typeof dryRun !== 'boolean') throw invalidOption('dryRun', 'true or false')
  if (typeof undo !== 'boolean' || (undo && dryRun))
    throw invalidOption('undo', 'true or false, without dryRun')
  integerOption('drain', drainMs, 1, 3_600_000, 'milliseconds')
  if (onBusy !== 'report' && onBusy !== 'terminate') throw invalidOption('onBusy', '"report" or "terminate"')
  if (verify !== 'full' && verify !== 'archive') throw invalidOption('verify', '"full" or "archive"')
  if (copy !== 'stream' && copy !== 'replication') throw invalidOption('copy', '"stream" or "replication"')
  if (room !== undefined && !(Number.isSafeInteger(room) && room >= 0))
    throw invalidOption('room', 'a whole number of bytes')
  if (!Array.isArray(lose) || lose.some((name) => typeof name !== 'string'))
    throw invalidOption('lose', 'a list of names')
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw invalidOption('onProgress', 'a function')
  signalOption('signal', signal)
  const tell = (step: MoveStep) => {
    try {
      onProgress?.(step)
    } catch {
      // Whoever watches does not decide.
    }
  }
  return { from, dryRun, undo, verify, copy, room, lose, patience: { drainMs, onBusy, signal }, tell }
}
