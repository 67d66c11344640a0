import { invalidOption } from '@org/core'
import type { PoolConfig } from 'pg'
import type { PoolLike } from './types.ts'

/** How to connect as somebody else, or elsewhere, in the way a pool does: TLS, keep-alive, types and all. */
export interface ConnectionConfig extends PoolConfig {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** `pg` itself: loaded only at levels that open connections of their own. */
export async function loadPg() {
  return (await import('pg')).default
}

/**
 * The settings of a `pg.Pool`, with its connection string taken apart.
 *
 * @throws TenancyError INVALID_OPTION when it is no `pg.Pool`
 */
export async function configOf(pool: PoolLike, option: 'pool' | 'adminPool'): Promise<ConnectionConfig> {
  const { options } = pool as { options?: PoolConfig }
  if (typeof options !== 'object' || options === null) {
    throw invalidOption(
      option,
      'a pg.Pool: at this isolation level its settings are used for further connections',
    )
  }
  const pg = await loadPg()
  // Not connected: it only reads its settings, as the pool's own clients do.
  const { host, port, database, user, ssl, password } = new pg.Client(options) as ConfiguredClient
  const { connectionString: _, ...rest } = options
  // `password` is not enumerable in a pool's options, so that it has to be named.
  return { ...rest, host, port, database, user, ssl, password: options.password ?? password ?? undefined }
}

interface ConfiguredClient {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly ssl: NonNullable<PoolConfig['ssl']>
  readonly password: string | null | undefined
}
