import { randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { roleOf, schemaOf } from '../isolation/names.ts'
import type { RowPlace } from '../isolation/row.ts'
import { traitsOf } from '../isolation/traits.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { isPromised, type VerifyCheckId } from './checks.ts'
import type { EnterScope, Verdict } from './probe.ts'
import type { VerifyCheck } from './report.ts'

/** What every check has at hand, and where it writes its result. */
export interface Scene {
  readonly lifecycle: Lifecycle
  readonly enter: EnterScope
  /** Only at level `row`. */
  readonly row: RowPlace | undefined
  readonly checks: VerifyCheck[]
  /** A name that nothing else has, for what is made and rolled back. */
  readonly scratch: string
}

export function newScene(lifecycle: Lifecycle, enter: EnterScope): Scene {
  return {
    lifecycle,
    enter,
    row: lifecycle.ofLevel.row,
    checks: [],
    scratch: `_tenant_verify_${randomBytes(6).toString('hex')}`,
  }
}

/** The schema a tenant's scope is at home in. */
export function homeOf({ lifecycle, row }: Scene, tenant: TenantKey): string {
  return row?.schema ?? schemaOf(lifecycle.naming, tenant)
}

/** The tenant's own role, where it has one. */
export function ownRoleOf({ lifecycle: { level, naming } }: Scene, tenant: TenantKey): string | undefined {
  return traitsOf(level).ownRole ? roleOf(naming, tenant) : undefined
}

/** Runs a check where the level promises it, and writes down what came of it. */
export async function check(
  { lifecycle: { level }, checks }: Scene,
  id: VerifyCheckId,
  tenant: TenantKey | null,
  against: string | null,
  run: () => Promise<Verdict>,
): Promise<void> {
  const verdict: Verdict = isPromised(id, level)
    ? await run()
    : { outcome: 'not promised', evidence: `level ${level} does not stop this` }
  checks.push({ id, tenant, against, ...verdict })
}
