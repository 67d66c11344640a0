import { readFileSync } from 'node:fs'
import pg from 'pg'

/**
 * Megabytes of anonymous memory that the backends of each application hold, on average, by `application_name`: what a backend keeps
 * of tables, plans and functions, without what it shares. Only on the machine of the server.
 */
export async function backendMemory(url: string): Promise<Map<string, number>> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ name: string; pids: number[] }>(
    `select application_name as name, array_agg(pid) as pids from pg_stat_activity
     where datname = current_database() and application_name like 'bench %' group by 1`,
  )
  await client.end()
  return new Map(
    rows.map(({ name, pids }) => {
      const each = pids.map(anonymous)
      return [name.slice('bench '.length), each.reduce((sum, one) => sum + one, 0) / each.length]
    }),
  )
}

/** 0 for one that has just ended. */
function anonymous(pid: number): number {
  try {
    return (
      Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024
    )
  } catch {
    return 0
  }
}
