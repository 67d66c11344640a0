import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Migration } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import pg, { type Pool } from 'pg'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import type { Tenancy } from '../../../tenancy/interface.ts'
import { type Lab, NotApplicable, type Rig } from '../types.ts'
import { type Report, reportIn } from './heard.ts'
import { FOUNDATION, type Kind, withNames } from './kind.ts'
import { KINDS } from './kinds.ts'
import { probeSql, type Targets } from './probe.ts'

/** Where a hostile tenant meets every call: two tenants, and pools whose every message is overheard. */
export interface Stage {
  readonly lab: Lab
  readonly tenancy: Tenancy
  /** The same with further migrations, that touch what is there. */
  next(migrations: readonly Migration[]): Tenancy
  /** The application's pool, of one connection. */
  readonly pool: Pool
  /** The administrator's. */
  readonly admin: Pool
  readonly evil: string
  readonly good: string
  readonly targets: Targets
  /** For archives; empty, removed with the stage. */
  readonly folder: string
  /** What planted code has said since this was asked last. */
  heard(): readonly Report[]
  /** Plants the kinds; returns those that PostgreSQL refused, with its reason. */
  plant(kinds?: readonly Kind[]): Promise<readonly string[]>
  /** Makes the hostile tenant anew and plants everything again. */
  renew(): Promise<void>
  close(): Promise<void>
}

export async function openStage(lab: Lab): Promise<Stage> {
  const reports: Report[] = []
  const onMessage = (message: { readonly type: string; readonly text?: string }) => {
    const report = message.type === 'NoticeResponse' ? reportIn(message.text ?? '') : undefined
    if (report) reports.push(report)
  }
  const { a: evil, b: good } = await lab.victims()
  const { host, port = 5432, ssl, ...config } = await lab.administrator()
  if (ssl || !host || host.startsWith('/'))
    throw new NotApplicable('what runs is overheard on the connection: it needs TCP without TLS')
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const proxy = await startWireProxy({ target, onMessage })
  const admin = new pg.Pool({ ...config, host: '127.0.0.1', port: proxy.port, max: 4 })
  admin.on('error', () => {})
  const rig = await lab.open({ max: 1, onMessage })
  const folder = await mkdtemp(join(tmpdir(), 'pg-tenant-hostile-'))
  const tenancies: Tenancy[] = []
  const make = (migrations: readonly Migration[]) => {
    const tenancy = lab.tenancy(rig.pool, { adminPool: admin, ...(migrations.length > 0 && { migrations }) })
    tenancies.push(tenancy)
    return tenancy
  }
  const tenancy = make([])
  const clean = lab.tenancy(rig.pool)
  tenancies.push(clean)
  const targets = await targetsOf(lab, evil, good)
  const plant = (kinds = KINDS) => plantAll(tenancy, targets, { evil, owner: lab.roleOf(evil) }, kinds)
  return {
    lab,
    tenancy,
    next: (migrations) => make([...lab.migrations, ...migrations]),
    pool: rig.pool,
    admin,
    evil,
    good,
    targets,
    folder,
    heard: () => reports.splice(0),
    plant,
    renew: async () => {
      // By sessions that no planted code has seen.
      await clean.drop(evil).catch(() => {})
      await clean.provision(evil, { reuseDeletedKey: true })
      await plant()
      reports.splice(0)
    },
    close: () => closeAll(tenancies, rig, [admin], proxy, folder),
  }
}

async function closeAll(
  tenancies: readonly Tenancy[],
  rig: Rig,
  pools: readonly Pool[],
  proxy: { close(): Promise<void> },
  folder: string,
): Promise<void> {
  for (const tenancy of tenancies) await tenancy.close()
  await rig.close()
  for (const pool of pools) await pool.end()
  await proxy.close()
  await rm(folder, { recursive: true, force: true })
}

async function targetsOf(lab: Lab, evil: string, good: string): Promise<Targets> {
  const [me] = await lab.admin('select current_user as role')
  const hasRoles = !lab.traits.shared
  return {
    schema: lab.schemaOf(evil),
    role: lab.memberOf(evil),
    administrator: String(me?.role),
    application: lab.application,
    victimSchema: lab.schemaOf(good),
    victimRole: hasRoles ? lab.roleOf(good) : undefined,
    sharedSchema: lab.sharedSchema,
    controlSchema: lab.controlSchema,
  }
}

/** As the tenant's own SQL, through scopes: whatever gets there that way is what a tenant can own. */
async function plantAll(
  tenancy: Tenancy,
  targets: Targets,
  { evil, owner }: { readonly evil: string; readonly owner: string },
  kinds: readonly Kind[],
): Promise<readonly string[]> {
  const names = (sql: string) => withNames(sql, targets.schema)
  for (const sql of foundation(targets)) await tenancy.query(evil, names(sql))
  const refused: string[] = []
  for (const { id, plant } of kinds) {
    for (const sql of plant) {
      await tenancy.query(evil, names(sql)).catch((error: { details?: { sqlState?: string } }) => {
        refused.push(`${id} (${error.details?.sqlState ?? String(error)})`)
      })
    }
  }
  if (targets.role === targets.application) await tenancy.query(evil, lettingIn(targets, owner))
  return refused
}

/** Where the application owns what tenants make, everybody else is let in: or calls would end before anything runs. */
const lettingIn = ({ schema, administrator }: Targets, owner: string) => `do $do$ declare name text; begin
  for name in select c.oid::pg_catalog.regclass::text from pg_catalog.pg_class c
    where c.relnamespace = ${pg.escapeLiteral(quoteIdentifier(schema))}::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      and c.relowner = current_user::pg_catalog.regrole
  loop execute pg_catalog.format('grant all on %s to %I, %I', name, ${pg.escapeLiteral(administrator)}, ${pg.escapeLiteral(owner)}); end loop; end $do$`

const foundation = (targets: Targets): readonly string[] => [leaveSql(), probeSql(targets), ...FOUNDATION]

/** All of it as a migration, so that it stands in the archive's structure as well. */
export const planting = (targets: Targets): Migration => ({
  id: '0002_planted',
  sql: [...foundation(targets), ...KINDS.filter(({ runtime }) => !runtime).flatMap(({ plant }) => plant)]
    .map((sql) => withNames(sql))
    .join(';\n'),
})

/** What planted code leaves behind where it ran: nothing unless `body` says so. */
export const leaveSql = (body = 'null;') =>
  `create or replace function $S.h_leave() returns void language plpgsql as $leave$ begin ${body} end $leave$`
