import type pg from 'pg'

/**
 * The helper everybody writes first: four round trips, and open to every hazard. It is here to be compared with; do
 * not use it.
 */
export async function obvious<T>(
  pool: pg.Pool,
  settings: readonly string[],
  fn: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    for (const setting of settings) await client.query(setting)
    const result = await fn(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}
