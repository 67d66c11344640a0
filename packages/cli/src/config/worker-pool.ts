import type { Pool } from 'pg'
import { CliError } from '../cli-error.ts'
import type { Environment, Settings } from './settings.ts'
import { urlSetting, withPassword } from './url.ts'

/**
 * Connections of the role that works on the outbox: another one than the application, whose SQL tenants send.
 *
 * @throws CliError CONFIGURATION when nothing says which
 */
export async function workerPool({ config }: Settings, env: Environment, max: number): Promise<Pool> {
  const fromEnv = env.WORKER_DATABASE_URL
  const url = fromEnv
    ? urlSetting('WORKER_DATABASE_URL', fromEnv)
    : config.worker?.databaseUrl && urlSetting('worker.databaseUrl', config.worker.databaseUrl)
  if (!url) {
    throw new CliError(
      'CONFIGURATION',
      'As whom does the worker connect? Set WORKER_DATABASE_URL, or worker.databaseUrl in the configuration: a role that was ' +
        'given to pg-tenant outbox install --worker <role>, not the application.',
    )
  }
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: withPassword(url, env.PGPASSWORD),
    max,
    connectionTimeoutMillis: 10_000,
    application_name: 'pg-tenant worker',
  })
  // The statement that uses the connection reports its loss; without a listener the process would end.
  pool.on('error', () => {})
  return pool
}
