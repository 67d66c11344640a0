import pg from 'pg'

/** What an outsider with every right sees in the database: evidence that does not come from the library. */
export interface Observer {
  /** Says `null` when the two roles are as they should be, else what is wrong. */
  findFaultInRoles(): Promise<string | null>
  /** A digest of all rows of both tables of each tenant: the same before and after if nothing has changed. */
  fingerprint(tenants: readonly string[]): Promise<string>
  /** What is stored, whatever it is. */
  readSetting(tenant: string, key: string): Promise<string>
  /** Puts one tenant's settings, as they are stored, in place of another's. */
  copySettings(from: string, to: string): Promise<void>
  /** Changes what an entry of the audit log says. */
  rewriteAudit(id: string, action: string): Promise<void>
  /** Tables of any schema in which a text stands anywhere in a row. */
  findText(text: string): Promise<string[]>
  close(): Promise<void>
}

const ROLES = `
  select
    (select rolcanlogin and not (rolinherit or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)
     from pg_roles where rolname = 'notes_app') as app,
    (select rolcreaterole and not rolsuper from pg_roles where rolname = 'notes_admin') as admin`

const TABLES = `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2`

export async function openObserver(superuserUrl: string): Promise<Observer> {
  const client = new pg.Client(superuserUrl)
  await client.connect()
  return {
    async findFaultInRoles() {
      const { rows } = await client.query<{ app: boolean | null; admin: boolean | null }>(ROLES)
      if (!rows[0]?.app) return 'notes_app has a right it should not have'
      return rows[0].admin ? null : 'notes_admin is not what it should be'
    },
    async fingerprint(tenants) {
      const digests: unknown[] = []
      for (const tenant of tenants) {
        for (const name of ['notes', 'note_log']) {
          const table = tableOf(tenant, name)
          const { rows } = await client.query(
            `select count(*) as rows, md5(string_agg(t::text, '|' order by id)) as digest from ${table} t`,
          )
          digests.push(rows[0])
        }
      }
      return JSON.stringify(digests)
    },
    async readSetting(tenant, key) {
      const table = tableOf(tenant, 'app_settings')
      const { rows } = await client.query<{ value: string }>(`select value from ${table} where key = $1`, [
        key,
      ])
      return rows[0]?.value ?? 'nothing'
    },
    async copySettings(from, to) {
      const [source, target] = [tableOf(from, 'app_settings'), tableOf(to, 'app_settings')]
      await client.query(`truncate ${target}; insert into ${target} select * from ${source}`)
    },
    async rewriteAudit(id, action) {
      await client.query('update governance.audit_log set action = $2 where id = $1', [id, action])
    },
    async findText(text) {
      const found: string[] = []
      for (const { schema, name } of (await client.query<{ schema: string; name: string }>(TABLES)).rows) {
        const table = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`
        const asked = await client.query(`select from ${table} t where strpos(t::text, $1) > 0 limit 1`, [
          text,
        ])
        if (asked.rowCount) found.push(`${schema}.${name}`)
      }
      return found
    },
    close: () => client.end(),
  }
}

function tableOf(tenant: string, table: string): string {
  return `${pg.escapeIdentifier(`c_${tenant}`)}.${table}`
}
