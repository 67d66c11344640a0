import type { TenantKey, TenantQueryable } from '@org/core'
import { invalidField } from '../input/input.ts'
import { uuidV7 } from '../json/uuid-v7.ts'
import type { Macs } from '../keys/macs.ts'
import { send } from '../tenants/send.ts'
import type { CheckedEntry } from './entry.ts'
import { type PersonalSealing, sealPersonal } from './personal.ts'
import { signedText } from './row.ts'
import { WRITTEN } from './tables.ts'

/** @internal `insert` of one entry, and of many from one JSON array. */
export function insertSql(table: string): { readonly one: string; readonly many: string } {
  const columns = WRITTEN.join(', ')
  const values = WRITTEN.map((name, index) => `$${index + 1}::${TYPES[name] ?? 'text'}`).join(', ')
  const types = WRITTEN.map((name) => `${name} ${TYPES[name] ?? 'text'}`).join(', ')
  return {
    one: `insert into ${table} (${columns}) values (${values})`,
    many: `insert into ${table} (${columns}) select ${columns} from pg_catalog.jsonb_to_recordset($1::jsonb) as entries (${types})`,
  }
}

const TYPES: Readonly<Partial<Record<(typeof WRITTEN)[number], string>>> = {
  id: 'uuid',
  changes: 'jsonb',
  metadata: 'jsonb',
}

type Written = Readonly<Record<(typeof WRITTEN)[number], unknown>>

/** @internal The columns of an entry, with its code. */
export async function writtenOf(
  tenant: TenantKey,
  entry: CheckedEntry,
  macs: Macs,
  sealing: PersonalSealing | undefined,
): Promise<Written> {
  const { actor, action, entityType, entityId, requestId, changes, metadata } = entry
  const row = {
    id: uuidV7(),
    tenant,
    actor_type: actor.type,
    actor_id: actor.id,
    action,
    entity_type: entityType,
    entity_id: entityId,
    request_id: requestId,
    changes,
    metadata,
    personal: await sealPersonal(sealing, tenant, entry),
  }
  return { ...row, mac: macs.sign('entry', signedText(row)) }
}

/** @internal Writes entries in the caller's transaction, at no trip of their own where the handle can queue. */
export async function write(
  db: TenantQueryable,
  sql: ReturnType<typeof insertSql>,
  rows: readonly Written[],
): Promise<void> {
  const [first] = rows
  if (first === undefined) return
  if (rows.length > 1)
    return send(db, { name: 'governance_audit_many', text: sql.many, values: [together(rows)] })
  const values = WRITTEN.map((name) => (TYPES[name] === 'jsonb' ? jsonb(first[name]) : first[name]))
  await send(db, { name: 'governance_audit', text: sql.one, values })
}

/** In one statement. */
const MAX_BYTES = 67_108_864

/** @throws TenancyError VALIDATION_ERROR */
function together(rows: readonly Written[]): string {
  let bytes = 0
  const texts = rows.map((row) => {
    const text = JSON.stringify(row)
    bytes += text.length
    if (bytes > MAX_BYTES) throw invalidField('entries', `at most ${MAX_BYTES} bytes in all`)
    return text
  })
  return `[${texts.join(',')}]`
}

function jsonb(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}
