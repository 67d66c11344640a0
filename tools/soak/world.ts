import type { IsolationLevel } from '@org/pg-tenant'
import type { Findings } from './findings.ts'
import type { Governance } from './governance/governance.ts'
import type { ScopedDb } from './subject.ts'
import type { Tenant } from './tenants.ts'

const KEPT = 64
const RECENT = 256

/** A handle that outlived its callback, and whose it was. */
export interface KeptHandle {
  readonly tenant: Tenant
  readonly db: ScopedDb
}

/** What operations of one run share. */
export class World {
  readonly tenants: readonly Tenant[]
  readonly findings: Findings
  readonly level: IsolationLevel
  /** With `--governance`. */
  readonly governance: Governance | undefined
  readonly #kept: KeptHandle[] = []
  readonly #recent: { tenant: Tenant; op: number }[] = []

  constructor(
    tenants: readonly Tenant[],
    findings: Findings,
    level: IsolationLevel,
    governance?: Governance | undefined,
  ) {
    this.tenants = tenants
    this.findings = findings
    this.level = level
    this.governance = governance
  }

  keep(handle: KeptHandle): void {
    if (this.#kept.length >= KEPT) this.#kept.shift()
    this.#kept.push(handle)
  }

  takeKept(at: number): KeptHandle | undefined {
    return this.#kept[Math.floor(at * this.#kept.length)]
  }

  /** Remembers an acknowledged write, to be read back by another scope at once. */
  acknowledged(tenant: Tenant, op: number): void {
    if (this.#recent.length >= RECENT) this.#recent.shift()
    this.#recent.push({ tenant, op })
  }

  recent(at: number): { tenant: Tenant; op: number } | undefined {
    return this.#recent[Math.floor(at * this.#recent.length)]
  }

  /** The tables are about to be emptied. */
  forget(): void {
    this.#recent.length = 0
  }
}
