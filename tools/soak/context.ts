import type { Random } from './random.ts'
import type { ScopedDb, Subject, SubjectOptions } from './subject.ts'
import type { Tenant } from './tenants.ts'
import type { World } from './world.ts'

const INSERT = 'insert into soak_row (tenant, op, part) values ($1, $2, $3)'

/** One operation at work: whose it is, what it has written so far, and where it reports leaks. */
export class Operation {
  readonly op: number
  readonly random: Random
  readonly subject: Subject
  readonly world: World
  tenant: Tenant
  /** Parts whose insert was answered and not undone: there, if the operation is acknowledged. */
  must = 0
  /** Parts that may be there or not. */
  may = 0
  /** Counter increments that go with part 0. */
  bumped = -1
  /** Its rows are not checked for presence (tenants that come and go). */
  exempt = false

  constructor(op: number, random: Random, subject: Subject, world: World) {
    this.op = op
    this.random = random
    this.subject = subject
    this.world = world
    // Two busy tenants among many: they meet each other, and themselves, on the same connection.
    this.tenant = random.pick(random.chance(0.5) ? world.tenants.slice(0, 2) : world.tenants)
  }

  /** A tenant that is not this operation's. */
  other(): Tenant {
    const { tenants } = this.world
    return tenants[(this.tenant.index + 1 + this.random.int(tenants.length - 1)) % tenants.length] as Tenant
  }

  /** A scope of this operation's tenant; may be run again by the subject's own retry. */
  scope<T>(fn: (db: ScopedDb) => Promise<T>, options?: SubjectOptions): Promise<T> {
    return this.subject.withTenant(
      this.tenant.key,
      (db) => {
        this.must = 0
        this.may = 0
        this.bumped = -1
        return fn(db)
      },
      options ?? this.options(),
    )
  }

  /** A share of the scopes asks for the outcome of a lost COMMIT. */
  options(): SubjectOptions | undefined {
    return this.random.chance(0.25) ? { resolveUnknownOutcome: true } : undefined
  }

  /** Inserts row `part`. */
  async write(db: ScopedDb, part: number): Promise<void> {
    await db.query(INSERT, this.row(part))
    this.must |= 1 << part
  }

  /** The row alone, in a scope of its own. */
  async writeOnce(part: number): Promise<void> {
    this.may |= 1 << part
    await this.subject.query(this.tenant.key, INSERT, this.row(part), this.options())
    this.must |= 1 << part
  }

  /** Starts an insert that nobody waits for: its row may be there or not. */
  float(db: ScopedDb, part: number): Promise<unknown> {
    this.may |= 1 << part
    const floating = db.query(INSERT, this.row(part))
    floating.catch(() => {})
    return floating
  }

  /** A savepoint that wrote `parts` was undone. */
  undone(parts: number): void {
    this.must &= ~parts
  }

  row(part: number): unknown[] {
    return [this.tenant.key, this.op, part]
  }

  /** Checks what a scope of this tenant has read. */
  requireOwn(owners: Iterable<unknown>, how: string): void {
    for (const owner of owners) {
      if (owner !== null && owner !== undefined && owner !== '' && owner !== this.tenant.key)
        this.leak(`${how} of ${String(owner)}`)
    }
  }

  leak(what: string): void {
    this.world.findings.add('leak', `op ${this.op}: a scope of ${this.tenant.key} saw ${what}`)
  }
}
