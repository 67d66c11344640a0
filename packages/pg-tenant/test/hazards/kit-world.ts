import pg from 'pg'
import { expect } from 'vitest'
import {
  type AttackKitOptions,
  type AttackReport,
  type ReportedFinding,
  runAttackKit,
} from '../../src/testing/attack/index.ts'
import type { World } from '../support/world.ts'

/** Runs the kit with the file's application and administrator. */
export async function attackIn(world: World, options: Partial<AttackKitOptions> = {}): Promise<AttackReport> {
  return await runAttackKit({ url: world.appUrl, adminUrl: world.adminUrl, ...options })
}

export function findingOf({ findings }: AttackReport, id: string): ReportedFinding {
  const found = findings.find((finding) => finding.id === id)
  expect(found, `attack ${id}`).toBeDefined()
  return found as ReportedFinding
}

/** Nothing of the kit may be left in the database or on the server. */
export async function kitLeftovers(world: World): Promise<unknown[]> {
  const { rows } = await world.root.query(
    `select nspname as name from pg_namespace where nspname ~ '^ak[0-9a-f]{8}_'
     union all select r.rolname from pg_roles r join pg_shdepend d on d.refobjid = r.oid
       where r.rolname ~ '^ak[0-9a-f]{8}_' and d.dbid = (select oid from pg_database where datname = current_database())`,
  )
  return rows
}

export const pipelining = (config: pg.PoolConfig): pg.Pool => new pg.Pool({ ...config, pipeline: true })

/** Verdict and evidence in one line, so that a failing test says what was seen. */
export function seen(report: AttackReport, id: string): string {
  const { verdict, evidence } = findingOf(report, id)
  return `${verdict}: ${evidence}`
}
