import { type SoakDatabase, startDatabase } from './database.ts'
import { Cutter } from './faults/cutter.ts'
import { Faults } from './faults/faults.ts'
import { Findings } from './findings.ts'
import { Governance } from './governance/governance.ts'
import { Ledger } from './ledger.ts'
import type { SoakOptions, SubjectName } from './options.ts'
import { endPools, openPools } from './pools.ts'
import { quiesce } from './quiesce.ts'
import { Random } from './random.ts'
import type { Subject } from './subject.ts'
import { obviousSubject } from './subject-obvious.ts'
import { ourSubject } from './subject-ours.ts'
import { poolSubject } from './subject-pool.ts'
import { Tally } from './tally.ts'
import { type Tenant, tenantAt } from './tenants.ts'
import { watchProcess } from './uncaught.ts'
import { type UnknownOutcomes, verify } from './verify.ts'
import { Workers } from './workers.ts'
import { World } from './world.ts'

/** What one subject did in one run. */
export interface SoakReport {
  readonly subject: SubjectName
  readonly seed: number
  readonly operations: number
  readonly seconds: number
  readonly tally: Tally
  readonly findings: Findings
  readonly unknown: UnknownOutcomes
  readonly faults: Readonly<Record<string, number>>
  readonly hits: ReadonlyMap<string, number>
}

/** Sees the run while it goes on. */
export type Progress = (report: SoakReport) => void

/** Soaks one subject on a server of its own. */
export async function soak(
  subject: SubjectName,
  options: SoakOptions,
  progress: Progress,
): Promise<SoakReport> {
  // The control has no tenant roles: its application may use every schema, as such applications do.
  const level = subject === 'ours' ? options.level : 'schema'
  const tenants = Array.from({ length: options.tenants }, (_, index) => tenantAt(index, level))
  const governed = options.governance && subject === 'ours'
  const database = await startDatabase(level, tenants, { governance: governed, pooler: options.pooler })
  const findings = new Findings()
  const unwatch = watchProcess(findings)
  try {
    const governance = governed
      ? await Governance.start(database, level === 'schema' ? level : 'role', tenants, findings, options.seed)
      : undefined
    const run = new Run(subject, { ...options, level }, database, tenants, findings, governance)
    try {
      return await run.toTheEnd(progress)
    } finally {
      await governance?.stop()
    }
  } finally {
    await database.stop()
    unwatch()
  }
}

/** Epoch after epoch: let the workers loose, let everything come to rest, compare with the ledger. */
class Run {
  readonly #subject: SubjectName
  readonly #options: SoakOptions
  readonly #database: SoakDatabase
  readonly #world: World
  readonly #tenants: readonly Tenant[]
  readonly #findings: Findings
  readonly #cutter: Cutter
  readonly #faults: Faults
  readonly #tally = new Tally()
  readonly #ledger: Ledger
  readonly #unknown = { committed: 0, rolledBack: 0 }
  readonly #started = performance.now()
  #operations = 0

  constructor(
    subject: SubjectName,
    options: SoakOptions,
    database: SoakDatabase,
    tenants: readonly Tenant[],
    findings: Findings,
    governance: Governance | undefined,
  ) {
    this.#subject = subject
    this.#options = options
    this.#database = database
    this.#tenants = tenants
    this.#findings = findings
    this.#world = new World(tenants, findings, options.level, governance)
    this.#ledger = new Ledger(options.epoch)
    this.#cutter = new Cutter(new Random(options.seed, 1))
    this.#faults = new Faults(database, new Random(options.seed, 2), this.#cutter, options.restartEvery)
  }

  async toTheEnd(progress: Progress): Promise<SoakReport> {
    const proxy = await this.#cutter.start(this.#database.url)
    const pools = openPools(this.#options, this.#database.url, proxy.url)
    const { through } = this.#options
    const ours = through === 'pool' ? poolSubject : ourSubject
    const subjects = pools.map((pool) =>
      this.#subject === 'ours' ? ours(pool, this.#database.options) : obviousSubject(pool),
    )
    const workers = this.#workers(subjects)
    const ticker = setInterval(() => progress(this.#report()), 1_000)
    while (this.#operations < this.#options.ops && !this.#late()) await this.#epoch(workers, subjects)
    clearInterval(ticker)
    const report = this.#report()
    await endPools(pools)
    await proxy.close()
    return report
  }

  #workers(subjects: readonly Subject[]): Workers {
    return new Workers({
      options: this.#options,
      subjects: spread(subjects),
      world: this.#world,
      ledger: this.#ledger,
      tally: this.#tally,
      onOperation: () => {
        this.#operations++
        if (!this.#options.faults) return
        this.#faults.tick()
        this.#world.governance?.tick()
      },
    })
  }

  async #epoch(workers: Workers, subjects: readonly Subject[]): Promise<void> {
    const { ops, epoch } = this.#options
    this.#ledger.restart(workers.next)
    await workers.run(Math.min(ops, workers.next + epoch), () => this.#late())
    await this.#faults.settled()
    this.#cutter.reset()
    await Promise.all(subjects.map((subject) => subject.rest?.()))
    const pools = subjects.map(({ pool }) => pool)
    await quiesce(pools, this.#database.admin, this.#findings)
    const { committed, rolledBack } = await verify({
      database: this.#database,
      tenants: this.#tenants,
      ledger: this.#ledger,
      next: workers.next,
      counted: workers.counted,
      findings: this.#findings,
    })
    this.#unknown.committed += committed
    this.#unknown.rolledBack += rolledBack
    await this.#world.governance?.verify()
    workers.counted.clear()
    this.#world.forget()
  }

  #late(): boolean {
    return this.#seconds() >= this.#options.seconds
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1_000
  }

  #report(): SoakReport {
    return {
      subject: this.#subject,
      seed: this.#options.seed,
      operations: this.#operations,
      seconds: this.#seconds(),
      tally: this.#tally,
      findings: this.#findings,
      unknown: this.#unknown,
      faults: { ...this.#faults.counts, ...this.#world.governance?.counts },
      hits: this.#cutter.hits,
    }
  }
}

/** A quarter of the workers go through the proxy. */
function spread<T>(subjects: readonly T[]): T[] {
  const [direct, proxied] = subjects as [T, T?]
  return proxied === undefined ? [direct] : [direct, direct, proxied, direct]
}
