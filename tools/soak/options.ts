import { parseArgs } from 'node:util'
import type { IsolationLevel } from '@org/pg-tenant'
import { hasPgBouncer } from '@org/pg-testing'

export type SubjectName = 'ours' | 'obvious'

export interface SoakOptions {
  /** Decides what every operation does and where the faults fall; the interleaving stays the machine's. */
  readonly seed: number
  /** Operations for each subject. */
  readonly ops: number
  /** Ends earlier after so many seconds. */
  readonly seconds: number
  readonly tenants: number
  /** Asynchronous loops, each doing one operation at a time. */
  readonly workers: number
  /** Pool connections in all; with faults a quarter of them goes through the wire proxy. */
  readonly connections: number
  /** Share of hostile operations, 0 to 1. */
  readonly hostile: number
  readonly level: IsolationLevel
  /** What carries the library's operations: `withTenant`, or BEGIN and COMMIT over `tenancy.pool(key)`. */
  readonly through: 'scope' | 'pool'
  /** PgBouncer in transaction mode between the application and the server. */
  readonly pooler: boolean
  readonly subjects: readonly SubjectName[]
  readonly faults: boolean
  /** Also publishers, two workers in processes of their own, webhooks, audit entries and idempotent requests. Ours only. */
  readonly governance: boolean
  /** Operations between two verifications: bounds the ledger and the tables. */
  readonly epoch: number
  /** Operations between two server restarts. */
  readonly restartEvery: number
  /** Seconds after which an unsettled operation counts as hanging. */
  readonly hangSeconds: number
  /** Kinds of operation to leave out, by a part of their name: to find out which one a finding needs. */
  readonly without: readonly string[]
  readonly json: boolean
}

export const USAGE = `pnpm soak [options]
  --seed 1 --ops 20000 --seconds 3600 --tenants 12 --workers 24 --connections 12
  --hostile 0.15 --level role|schema|login|database|row --through scope|pool --pooler --subject ours|obvious|both --faults on|off --governance
  --epoch 50000 --restart-every 25000 --hang-seconds 60 --without 'part of a name' --json`

/** @throws TypeError when an option is unknown or out of its range */
export function parseOptions(args: readonly string[]): SoakOptions {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: text,
      ops: text,
      seconds: text,
      tenants: text,
      workers: text,
      connections: text,
      hostile: text,
      level: text,
      through: text,
      pooler: { type: 'boolean' },
      subject: text,
      faults: text,
      governance: { type: 'boolean' },
      epoch: text,
      'restart-every': text,
      'hang-seconds': text,
      without: { type: 'string', multiple: true },
      json: { type: 'boolean' },
    },
  })
  const subject = oneOf('subject', values.subject ?? 'ours', ['ours', 'obvious', 'both'])
  const seconds = values.seconds === undefined ? 3_600 : number('seconds', values.seconds, 1, 1e6)
  const ops = number('ops', values.ops ?? (values.seconds === undefined ? '20000' : '1e9'), 1, 1e9)
  const level = oneOf('level', values.level ?? 'role', ['role', 'schema', 'login', 'database', 'row'])
  const governance = values.governance ?? false
  if (governance && level !== 'role' && level !== 'schema')
    throw new TypeError('--governance goes with --level role or schema')
  const pooler = values.pooler ?? false
  if (pooler && !hasPgBouncer())
    throw new TypeError('--pooler needs PgBouncer (Debian: apt-get install pgbouncer)')
  return {
    seed: number('seed', values.seed ?? '1', 0, 2 ** 31),
    ops,
    seconds,
    tenants: number('tenants', values.tenants ?? '12', 2, 5_000),
    workers: number('workers', values.workers ?? '24', 1, 1_000),
    connections: number('connections', values.connections ?? '12', 1, 150),
    hostile: number('hostile', values.hostile ?? '0.15', 0, 1),
    level,
    through: oneOf('through', values.through ?? 'scope', ['scope', 'pool']),
    pooler,
    subjects: subject === 'both' ? ['ours', 'obvious'] : [subject],
    faults: oneOf('faults', values.faults ?? 'on', ['on', 'off']) === 'on',
    governance,
    epoch: number('epoch', values.epoch ?? '50000', 100, 1e6),
    restartEvery: number('restart-every', values['restart-every'] ?? '25000', 100, 1e9),
    hangSeconds: number('hang-seconds', values['hang-seconds'] ?? '60', 1, 3_600),
    without: values.without ?? [],
    json: values.json ?? false,
  }
}

function number(name: string, text: string, low: number, high: number): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= low && value <= high) return value
  throw new TypeError(`--${name} takes a number from ${low} to ${high}`)
}

function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text)
  if (found !== undefined) return found
  throw new TypeError(`--${name} takes one of: ${allowed.join(', ')}`)
}
