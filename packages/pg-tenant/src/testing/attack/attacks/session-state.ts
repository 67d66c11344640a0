import type { Pool } from 'pg'
import { TENANT_SETTING } from '../../../isolation/row.ts'

const STATE = `select current_user::text as role, current_setting('search_path') as path,
  coalesce(current_setting('${TENANT_SETTING}', true), '') as tenant, current_setting('row_security') as row_security,
  current_setting('default_transaction_read_only') as read_only, current_setting('statement_timeout') as timeout,
  (select count(*)::int from pg_prepared_statements where name !~ '^pg_tenant_') as prepared,
  (select count(*)::int from pg_cursors where is_holdable) as cursors,
  (select count(*)::int from pg_listening_channels()) as channels`

/** What the next user of a bare connection of this pool would meet. */
export async function sessionState(pool: Pool): Promise<string> {
  const { rows } = await pool.query(STATE)
  return JSON.stringify(rows[0])
}
