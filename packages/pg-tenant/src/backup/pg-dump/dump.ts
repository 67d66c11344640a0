import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, rm, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { TenancyError, type TenantKey } from '@org/core'
import type { PoolLike } from '../../driver/types.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { prepare } from '../../lifecycle/prepare.ts'
import { find } from '../../registry/read.ts'
import { invalid } from '../../scope/options.ts'
import { writeFailed } from '../archive/sink.ts'
import { notFound } from '../backup.ts'
import { withAdminClient } from '../client.ts'
import { placeOf } from '../place.ts'
import { type ProgramConnection, runProgram, versionOf } from './program.ts'

/** Options of {@link dumpTenant}. */
export interface DumpOptions {
  /** The file to be made; never overwritten. */
  readonly to: string
  /** The folder that holds `pg_dump` (default: the program found on the path). */
  readonly programs?: string | undefined
  /** Overrides what the admin pool's own connection says, e.g. `sslMode`. */
  readonly connection?: Partial<ProgramConnection> | undefined
}

/** What {@link dumpTenant} made. */
export interface DumpResult {
  readonly tenant: TenantKey
  readonly bytes: number
  /** SHA-256 of the file, in hex. */
  readonly sha256: string
  /** Major version of pg_dump. */
  readonly programVersion: number
}

/**
 * Why `pg_dump` cannot be used here, or `undefined` when it can: not installed, or older than the server, which it refuses.
 * Fall back to `backupTenant` then.
 */
export async function whyNoDump(lifecycle: Lifecycle, programs?: string): Promise<string | undefined> {
  const program = await versionOf('pg_dump', programs)
  if (program === undefined) return 'pg_dump is not installed here'
  const server = await serverMajor(lifecycle.adminPool)
  if (program < server) return `pg_dump is version ${program}, older than the server's ${server}`
  return undefined
}

/**
 * Dumps a tenant's schema with everything in it (structure too) by `pg_dump --format=custom`, as the owner of its tables.
 * For people who restore by hand with `pg_restore`; for restores under another key use `backupTenant`.
 *
 * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND, CONFLICT (the file exists), SERVICE_UNAVAILABLE (no program, or
 *   one older than the server), DATABASE_ERROR
 */
export async function dumpTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  { to, programs, connection }: DumpOptions,
): Promise<DumpResult> {
  if (typeof to !== 'string' || to === '') throw invalid('to', 'the path of a file to be made')
  await prepare(lifecycle)
  const record = await find(lifecycle.pool, lifecycle.registry, tenant)
  if (record?.status !== 'active') throw notFound(tenant)
  const reason = await whyNoDump(lifecycle, programs)
  if (reason !== undefined) throw unusable(reason)
  const { schema, owner, ours } = placeOf(lifecycle, tenant)
  const partial = `${to}.${randomBytes(6).toString('hex')}.partial`
  const args = [
    '--format=custom',
    '--no-password',
    `--schema="${schema}"`,
    ...ours.map((table) => `--exclude-table="${schema}"."${table}"`),
    ...(owner === undefined ? [] : [`--role=${owner}`]),
    `--file=${partial}`,
  ]
  try {
    await runProgram('pg_dump', programs, args, {
      ...(await connectionOf(lifecycle.adminPool)),
      ...connection,
    })
    const hash = createHash('sha256')
    await pipeline(createReadStream(partial), hash)
    const { size } = await stat(partial)
    await link(partial, to).catch((error: { code?: string }) => {
      throw error.code === 'EEXIST' ? exists() : writeFailed(error)
    })
    const programVersion = (await versionOf('pg_dump', programs)) ?? 0
    return { tenant, bytes: size, sha256: hash.digest('hex'), programVersion }
  } finally {
    await rm(partial, { force: true })
  }
}

async function serverMajor(pool: PoolLike): Promise<number> {
  return withAdminClient(pool, async (admin) => {
    const [row] = await admin.run(`select current_setting('server_version_num')::int / 10000 as major`)
    return Number(row?.major)
  })
}

/** Where the admin pool connects to; `pg`'s clients carry it. */
function connectionOf(pool: PoolLike): Promise<ProgramConnection> {
  return withAdminClient(pool, async ({ client, run }) => {
    const [row] = await run('select session_user::text as user, current_database()::text as database')
    const { host, port, password } = client as Partial<Record<'host' | 'port' | 'password', unknown>>
    if (typeof host !== 'string' || typeof port !== 'number')
      throw invalid('connection', 'given: host, port, user, database')
    return {
      host,
      port,
      user: String(row?.user),
      database: String(row?.database),
      password: typeof password === 'string' ? password : undefined,
      sslMode: undefined,
    }
  })
}

function unusable(reason: string): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `${reason}. Install client programs at least as new as the server, or use format: 'archive', which needs none.`,
    { details: { reason } },
  )
}

function exists(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'There is a file of that name already. Nothing was written; choose another name.',
  )
}
