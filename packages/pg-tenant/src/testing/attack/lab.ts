import { randomBytes } from 'node:crypto'
import type { Migration } from '@org/core'
import pg, { type Pool, type PoolConfig } from 'pg'
import { configOf } from '../../driver/connection-config.ts'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import { type LevelTraits, traitsOf } from '../../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import type { Tenancy } from '../../tenancy/interface.ts'
import type { TenancyOptions } from '../../tenancy/options.ts'
import { type LabOptions, LabTenancies } from './lab-tenancies.ts'
import { type Layout, layoutOf } from './layout.ts'
import { poolSubject } from './pool-subject.ts'
import { openRig } from './rig.ts'
import { sweep } from './sweep.ts'
import { tenancySubject } from './tenancy-subject.ts'
import type { Lab, Rig, RigOptions, Row, Subject, Victims } from './types.ts'

/** A lab and what takes it down again. */
export interface OpenLab {
  readonly lab: Lab
  close(): Promise<void>
}

/** Prepares the shared schema and finds out who the application is. */
export async function openLab(options: LabOptions): Promise<OpenLab> {
  const prefix = `ak${randomBytes(4).toString('hex')}_`
  const application = await applicationOf(options)
  const lab = new AttackLab(options, prefix, application)
  const close = () => sweep(options.adminPool, prefix)
  try {
    await lab.furnish()
  } catch (error) {
    await close()
    throw error
  }
  return { lab, close }
}

/** For pools that only look around. */
const NOBODY: Subject = {
  name: 'nobody',
  withTenant: () => Promise.reject(new Error('nobody is attacked here')),
}

async function applicationOf(options: LabOptions): Promise<string> {
  const rig = await openRig(options, {}, () => NOBODY)
  try {
    const { rows } = await rig.pool.query<{ role: string }>('select session_user as role')
    return rows[0]?.role ?? ''
  } finally {
    await rig.close()
  }
}

type Run = (sql: string, values?: readonly unknown[]) => Promise<Row[]>

class AttackLab implements Lab {
  readonly isolation: IsolationLevel
  readonly through: 'scope' | 'pool'
  readonly traits: LevelTraits
  readonly application: string
  readonly #options: LabOptions
  readonly #prefix: string
  readonly #tenancies: LabTenancies
  #made = 0

  constructor(options: LabOptions, prefix: string, application: string) {
    this.#options = options
    this.#prefix = prefix
    this.#tenancies = new LabTenancies(options, prefix, () => this.#layout)
    this.isolation = options.isolation
    this.through = options.through ?? 'scope'
    this.traits = traitsOf(options.isolation)
    this.application = application
  }

  /** Of the victims made last. */
  get #layout(): Layout {
    const distributed = this.#options.tenancy?.distributedSchemas !== undefined
    return layoutOf(this.isolation, this.#prefix, this.#made, distributed)
  }

  get sharedSchema(): string {
    return this.#layout.sharedSchema
  }

  get migrations(): readonly Migration[] {
    return this.#layout.options.migrations ?? []
  }

  get controlSchema(): string {
    return this.#layout.options.controlSchema ?? ''
  }

  schemaOf(tenant: string): string {
    return this.#layout.schemaOf(tenant)
  }

  roleOf(tenant: string): string {
    return this.#layout.roleOf(tenant)
  }

  memberOf(tenant: string): string {
    return this.traits.ownRole ? this.roleOf(tenant) : this.application
  }

  /** The shared schema holds a table of the tenants' name, open to all: where names would fall through to. */
  async furnish(): Promise<void> {
    const { template } = this.#tenancies
    if (template !== undefined) {
      await this.admin(`create database ${quoteIdentifier(template)} template template0`)
      await this.#inDatabase(template, (run) => this.#furnish(run))
    }
    await this.#furnish((sql) => this.admin(sql))
  }

  async #furnish(run: (sql: string) => Promise<unknown>): Promise<void> {
    const [shared, table] = [quoteIdentifier(this.sharedSchema), qualify(this.sharedSchema, 'notes')]
    await run(`create schema ${shared}`)
    await run(`create table ${table} (id bigint generated always as identity primary key, body text)`)
    await run(`grant usage on schema ${shared} to public`)
    await run(`grant select, insert on ${table} to public`)
  }

  async victims(): Promise<Victims> {
    this.#made++
    const victims = { a: `a${this.#made}`, b: `b${this.#made}` }
    const rig = await openRig(this.#options, {}, () => NOBODY)
    try {
      const tenancy = this.#tenancies.create(rig.pool)
      for (const tenant of Object.values(victims)) {
        await this.#tenancies.provision(tenancy, tenant)
        await this.adminAs(
          tenant,
          `insert into ${qualify(this.schemaOf(tenant), 'notes')} (body) values ($1)`,
          [`row of ${tenant}`],
        )
      }
      await tenancy.close()
    } finally {
      await rig.close()
    }
    return victims
  }

  async administrator(): Promise<PoolConfig> {
    return await configOf(this.#options.adminPool, 'adminPool')
  }

  async open(options: RigOptions = {}): Promise<Rig> {
    return await openRig(this.#options, options, (pool) => this.#subjectOn(pool))
  }

  tenancy(pool: Pool, options: Partial<TenancyOptions> = {}): Tenancy {
    return this.#tenancies.open(pool, options)
  }

  async admin(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#options.adminPool.query<Row>(sql, [...values])).rows
  }

  async adminAt(tenant: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (!this.traits.ownDatabase) return await this.admin(sql, values)
    return await this.#inDatabase(this.roleOf(tenant), (run) => run(sql, values))
  }

  async adminAs(tenant: string, sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (this.traits.ownDatabase) {
      return await this.#inDatabase(this.roleOf(tenant), async (run) => {
        await run(`set role ${quoteIdentifier(this.roleOf(tenant))}`)
        return await run(sql, values)
      })
    }
    const owner = this.#layout.becomeOwner(tenant)
    const client = await this.#options.adminPool.connect()
    try {
      await client.query('begin')
      if (owner) await client.query(owner.sql, [...owner.values])
      const { rows } = await client.query<Row>(sql, [...values])
      await client.query('commit')
      return rows
    } catch (error) {
      await client.query('rollback')
      throw error
    } finally {
      client.release()
    }
  }

  async bodies(tenant: string): Promise<string[]> {
    const { sql, values } = this.#layout.bodiesOf(tenant)
    const rows = await this.adminAs(tenant, sql, values)
    return rows.map((row) => String(row.body))
  }

  async sharedBodies(): Promise<string[]> {
    const text = `select body from ${qualify(this.sharedSchema, 'notes')} order by id`
    const victims = this.traits.ownDatabase ? [`a${this.#made}`, `b${this.#made}`] : []
    const rows = await Promise.all([this.admin(text), ...victims.map((tenant) => this.adminAt(tenant, text))])
    return rows.flat().map((row) => String(row.body))
  }

  #subjectOn(pool: Pool): Subject {
    const { subject } = this.#options
    const { sharedSchema, rowSchema } = this.#layout
    if (subject) return subject({ pool, prefix: this.#prefix, sharedSchema, rowSchema })
    const tenancy = this.#tenancies.create(pool)
    return {
      ...(this.through === 'pool' ? poolSubject(tenancy) : tenancySubject(tenancy)),
      provision: (tenant) => this.#tenancies.provision(tenancy, tenant),
    }
  }

  /** As the administrator, in another database of the server. */
  async #inDatabase<T>(database: string, fn: (run: Run) => Promise<T>): Promise<T> {
    const client = new pg.Client({ ...(await configOf(this.#options.adminPool, 'adminPool')), database })
    client.on('error', () => {})
    await client.connect()
    try {
      return await fn(async (sql, values = []) => (await client.query<Row>(sql, [...values])).rows)
    } finally {
      await client.end()
    }
  }
}
