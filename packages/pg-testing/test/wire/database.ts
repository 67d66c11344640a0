import { Client, type ClientConfig } from 'pg'
import { inject } from 'vitest'

/** The server the proxies stand in front of. */
export function databaseUrl(): string {
  return inject('pgTenantServerUrl')
}

/** A connected client, closed at the end of the scope. Connection errors reach its queries only. */
export async function connected(url: string, config: ClientConfig = {}): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url, ...config })
  client.on('error', () => {})
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

let tables = 0

/** A table of its own for a test, dropped at the end of the scope. */
export async function scratchTable(): Promise<{ readonly name: string } & AsyncDisposable> {
  tables += 1
  const name = `wire_${process.pid}_${tables}`
  const query = async (sql: string): Promise<void> => {
    await using client = await connected(databaseUrl())
    await client.query(sql)
  }
  await query(`create table ${name} (id int primary key)`)
  return { name, [Symbol.asyncDispose]: () => query(`drop table ${name}`) }
}
