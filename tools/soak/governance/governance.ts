import { parseTenantKey } from '@org/core'
import { outboxControl } from '@org/governance/outbox'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import type { SoakDatabase } from '../database.ts'
import type { Findings } from '../findings.ts'
import { STATE, type State } from '../ledger.ts'
import { Random } from '../random.ts'
import type { Tenant } from '../tenants.ts'
import { verifyAudit } from './audit.ts'
import { type Deed, verifyDeeds } from './deeds.ts'
import { hooksOf } from './parts.ts'
import { Processes } from './processes.ts'
import { Receiver } from './receiver.ts'

const WORKERS = 2
/** Mean number of operations between two of a kind. */
const KILL_EVERY = 400
const STALL_EVERY = 1_500
/** Beyond the lease of the workers. */
const STALL_MS = 3_000

/** What was published, recorded and asked for, who works on it, and whether all of it came to what it must. */
export class Governance {
  readonly counts = {
    'worker killed': 0,
    'worker stalled': 0,
    handled: 0,
    delivered: 0,
    'delivered again': 0,
    'entries verified': 0,
    'forgeries noticed': 0,
  }
  readonly #deeds = new Map<number, Deed>()
  readonly #database: SoakDatabase
  readonly #tenants: readonly Tenant[]
  readonly #findings: Findings
  readonly #random: Random
  readonly #receiver: Receiver
  readonly #processes: Processes

  private constructor(
    database: SoakDatabase,
    tenants: readonly Tenant[],
    findings: Findings,
    random: Random,
    receiver: Receiver,
    processes: Processes,
  ) {
    this.#database = database
    this.#tenants = tenants
    this.#findings = findings
    this.#random = random
    this.#receiver = receiver
    this.#processes = processes
  }

  static async start(
    database: SoakDatabase,
    level: 'role' | 'schema',
    tenants: readonly Tenant[],
    findings: Findings,
    seed: number,
  ): Promise<Governance> {
    const receiver = await Receiver.start(findings, new Random(seed, 3))
    const hooks = hooksOf(level, receiver.port)
    const pool = new pg.Pool({ connectionString: database.url, max: 2 })
    const tenancy = createTenancy({ pool, isolation: level })
    for (const { key } of tenants) {
      const url = `http://127.0.0.1:${receiver.port}/${encodeURIComponent(key)}`
      const { secret } = await tenancy.withTenant(key, (db) =>
        hooks.endpoints.create(db, { url, events: ['soak.told'] }),
      )
      receiver.secrets.set(parseTenantKey(key), secret)
    }
    await pool.end()
    const processes = new Processes([database.workerUrl, database.url, level, String(receiver.port)], WORKERS)
    return new Governance(database, tenants, findings, new Random(seed, 4), receiver, processes)
  }

  /** What an operation is about to do; how it ends is told by `settle`. */
  begin(op: number, deed: Omit<Deed, 'state'>): void {
    this.#deeds.set(op, { ...deed, state: STATE.running })
  }

  settle(op: number, state: State): void {
    const deed = this.#deeds.get(op)
    if (deed) this.#deeds.set(op, { ...deed, state })
  }

  /** What an idempotent request was answered. */
  answered(op: number, answer: string): void {
    const deed = this.#deeds.get(op)
    if (deed) this.#deeds.set(op, { ...deed, answer })
  }

  /** Called with every operation. */
  tick(): void {
    if (this.#random.chance(1 / KILL_EVERY)) {
      this.counts['worker killed'] += 1
      this.#processes.kill(this.#random.int(WORKERS))
    }
    if (this.#random.chance(1 / STALL_EVERY)) {
      this.counts['worker stalled'] += 1
      this.#processes.stall(this.#random.int(WORKERS), STALL_MS)
    }
  }

  /** With everything else at rest: waits for the workers, and compares. */
  async verify(): Promise<void> {
    const { admin } = this.#database
    const seen = await verifyDeeds({
      admin,
      tenants: this.#tenants,
      deeds: this.#deeds,
      told: this.#receiver.told,
      findings: this.#findings,
    })
    const letters = await outboxControl(admin).list({ limit: 500 })
    for (const { tenant, type, reason } of letters)
      this.#findings.add('lost', `an event ${type} of ${tenant} is a dead letter: ${reason}`)
    const proof = await verifyAudit(admin, this.#tenants, this.#findings, this.#random)
    this.counts.handled = seen.handled
    this.counts.delivered = seen.delivered
    this.counts['delivered again'] = seen.again
    this.counts['entries verified'] = proof.entries
    this.counts['forgeries noticed'] += proof.noticed
    this.#deeds.clear()
  }

  async stop(): Promise<void> {
    await this.#processes.stop()
    await this.#receiver.stop()
  }
}
