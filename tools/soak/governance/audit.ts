import { parseTenantKey } from '@org/core'
import type pg from 'pg'
import type { Findings } from '../findings.ts'
import type { Random } from '../random.ts'
import type { Tenant } from '../tenants.ts'
import { audit } from './parts.ts'

/** What a superuser can do to an entry. */
const FORGERIES = [
  `update governance.audit_log set action = 'soak.other' where tenant = $1 and id = $2`,
  `update governance.audit_log set created_at = created_at + interval '1 second' where tenant = $1 and id = $2`,
  `delete from governance.audit_log where tenant = $1 and id = $2`,
  `insert into governance.audit_log (id, tenant, actor_type, action, mac)
    select gen_random_uuid(), tenant, actor_type, action, mac from governance.audit_log where tenant = $1 and id = $2`,
] as const
const ANY = `select id from governance.audit_log where tenant = $1 order by md5(id::text || $2) limit 1`

/** Seals, verifies every tenant's log, and then forges one entry of each, which must be noticed; nothing of that stays. */
export async function verifyAudit(
  admin: pg.Pool,
  tenants: readonly Tenant[],
  findings: Findings,
  random: Random,
): Promise<{ readonly entries: number; readonly noticed: number }> {
  const log = audit()
  await log.seal(admin)
  let [entries, noticed] = [0, 0]
  for (const { key } of tenants) {
    const found = await log.verify(admin, key)
    entries += found.entries + found.unsealed
    for (const { kind, id } of found.faults) findings.add('lost', `the audit log of ${key}: ${kind} ${id}`)
    const [row] = (await admin.query<{ id: string }>(ANY, [key, String(random.next())])).rows
    if (row === undefined) continue
    const forgery = random.pick(FORGERIES)
    if (await isNoticed(admin, key, forgery, row.id)) noticed += 1
    else findings.add('unnoticed', `${key}: ${forgery.slice(0, 60)}`)
  }
  return { entries, noticed }
}

async function isNoticed(admin: pg.Pool, key: string, forgery: string, id: string): Promise<boolean> {
  const client = await admin.connect()
  try {
    await client.query('begin')
    await client.query(forgery, [key, id])
    const { ok } = await audit().verify(
      { query: async (text, values) => await client.query(text, [...(values ?? [])]) },
      parseTenantKey(key),
    )
    return !ok
  } finally {
    await client.query('rollback')
    client.release()
  }
}
