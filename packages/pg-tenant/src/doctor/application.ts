import type { PoolLike } from '../driver/types.ts'
import { readOnly } from './read-only.ts'

/** The role the application logs in with. */
export async function applicationOf(pool: PoolLike): Promise<string> {
  const rows = await readOnly(pool, (look) => look<{ role: string }>('select session_user as role'))
  return rows[0]?.role ?? ''
}
