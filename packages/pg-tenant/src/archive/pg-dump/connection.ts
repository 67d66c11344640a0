import { invalidOption, TenancyError } from '@org/core'
import type { AdminClient } from '../client.ts'
import { type Program, type ProgramEnvironment, versionOf } from './program.ts'

/** Where a connection goes, for programs: `pg`'s clients carry it. */
export async function environmentOf({ client, run, wire }: AdminClient): Promise<ProgramEnvironment> {
  const [row] = await run('select session_user::text as user, current_database()::text as database')
  const { password } = client as { password?: unknown }
  const { host, port, ssl } = wire
  if (typeof host !== 'string' || typeof port !== 'number') throw invalidOption('adminPool', 'a pg.Pool')
  return {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: String(row?.user),
    PGDATABASE: String(row?.database),
    ...(typeof password === 'string' && { PGPASSWORD: password }),
    ...(Boolean(ssl) && process.env.PGSSLMODE === undefined && { PGSSLMODE: sslModeOf(ssl) }),
  }
}

/** As strict as the pool is. */
function sslModeOf(ssl: unknown): string {
  const { rejectUnauthorized } = ssl as { rejectUnauthorized?: unknown }
  return rejectUnauthorized === false ? 'require' : 'verify-full'
}

/**
 * Makes sure that a program is there and new enough.
 *
 * @param least the major version it has to have: an older one refuses the server, or the file
 * @returns its major version
 * @throws TenancyError SERVICE_UNAVAILABLE
 */
export async function requireProgram(
  program: Program,
  folder: string | undefined,
  least: number,
  what: string,
): Promise<number> {
  const version = await versionOf(program, folder)
  if (version === undefined) throw unusable(`${program} is not installed here`, program)
  if (version < least)
    throw unusable(`${program} is version ${version}, older than the ${what}'s ${least}`, program)
  return version
}

export async function serverMajor({ run }: AdminClient): Promise<number> {
  const [row] = await run(`select current_setting('server_version_num')::int / 10000 as major`)
  return Number(row?.major)
}

function unusable(reason: string, program: Program): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `${reason}. Install client programs at least as new as the server (or name their folder with programs), or use format: ` +
      `'archive', which needs none.`,
    { details: { reason, program } },
  )
}
