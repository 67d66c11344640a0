import { createHash } from 'node:crypto'
import type { Queryable } from '@org/core'
import { aheadSql, otherServer } from '../control/other-server.ts'
import { canonical } from '../json/canonical.ts'
import type { Macs } from '../keys/macs.ts'
import { behindSql } from './follow.ts'
import { HASH_BYTES, leafHash, merkleRoot } from './merkle.ts'
import { leafText, type StoredEntry } from './row.ts'

/** What sealing did. */
export interface SealReport {
  readonly entries: number
  readonly seals: number
}

/** @internal A seal's number and digest: the next one of its tenant builds on them. */
export interface Head {
  readonly number: number
  readonly digest: string
}

/** @internal */
export const NO_HEAD: Head = { number: 0, digest: '00'.repeat(HASH_BYTES) }

/** @internal What a seal says, in hexadecimal; the digest over it is what the next one holds. */
export interface SealFacts {
  readonly tenant: string
  readonly number: number
  readonly entries: number
  readonly since: string
  readonly until: string
  readonly root: string
  readonly previous: string
}

/** @internal */
export function digestOf(facts: SealFacts): string {
  const { tenant, number, entries, since, until, root, previous } = facts
  return createHash('sha256')
    .update(canonical(['v1', tenant, number, entries, since, until, root, previous]))
    .digest('hex')
}

/** Of entries behind the place that sealing has reached: those that were not sealed on another server. */
export const UNSEALED = 'l.sealed_xid is null'

/** @internal */
export interface SealTables {
  readonly log: string
  readonly seal: string
  readonly sealer: string
}

const positionSql = ({ sealer }: SealTables) => `select xid::text as xid, id::text as id,
    ${aheadSql('xid')} as ahead from ${sealer}`

const headsSql = ({ seal }: SealTables) => `select distinct on (s.tenant) s.tenant, s.number::text as number,
    encode(s.digest, 'hex') as digest
  from ${seal} s where s.tenant = any ($1::text[]) order by s.tenant, s.number desc`

/**
 * One statement, so that position and seals move together; of two sealers that began at one position the second waits for
 * the first, finds the position moved, and writes nothing.
 */
const moveSql = ({ seal, sealer }: SealTables) => `with moved as (
    update ${sealer} set xid = $1::xid8, id = $2::uuid where xid = $3::xid8 and id = $4::uuid returning one
  )
  insert into ${seal} (tenant, number, entries, ids, leaves, since, until, root, previous, digest, mac)
  select s.tenant, s.number, s.entries, s.ids, decode(s.leaves, 'hex'), s.since, s.until, decode(s.root, 'hex'),
      decode(s.previous, 'hex'), decode(s.digest, 'hex'), s.mac
    from moved, jsonb_to_recordset($5::jsonb) as s (tenant text, number bigint, entries integer, ids uuid[], leaves text,
      since timestamptz, until timestamptz, root text, previous text, digest text, mac text)`

/** @internal Seals one batch. `undefined` when somebody else did, or there was nothing to seal. */
export async function sealBatch(
  admin: Queryable,
  tables: SealTables,
  macs: Macs,
  limit: number,
): Promise<SealReport | undefined> {
  const [from] = (await admin.query<{ xid: string; id: string; ahead: boolean }>(positionSql(tables))).rows
  if (from === undefined) return undefined
  if (from.ahead) throw otherServer('The audit log is')
  const { rows } = await admin.query<StoredEntry>(behindSql(tables.log, UNSEALED), [from.xid, from.id, limit])
  const last = rows.at(-1)
  if (last === undefined) return undefined
  const groups = Map.groupBy(rows, ({ tenant, created_at }) => `${created_at.slice(0, 7)} ${tenant}`)
  const heads = await headsOf(admin, tables, [...new Set(rows.map(({ tenant }) => tenant))])
  const seals = [...groups.values()].map((entries) => sealOf(entries, heads, macs))
  const written = await admin.query(moveSql(tables), [
    last.xid,
    last.id,
    from.xid,
    from.id,
    JSON.stringify(seals),
  ])
  return written.rowCount === 0 ? undefined : { entries: rows.length, seals: seals.length }
}

async function headsOf(
  admin: Queryable,
  tables: SealTables,
  tenants: readonly string[],
): Promise<Map<string, Head>> {
  const { rows } = await admin.query<{ tenant: string; number: string; digest: string }>(headsSql(tables), [
    tenants,
  ])
  return new Map(rows.map(({ tenant, number, digest }) => [tenant, { number: Number(number), digest }]))
}

/** Of one tenant and one month, so that a partition that leaves takes whole seals with it. */
function sealOf(entries: readonly StoredEntry[], heads: Map<string, Head>, macs: Macs): object {
  const { tenant } = entries[0] as StoredEntry
  const { number, digest: previous } = heads.get(tenant) ?? NO_HEAD
  const leaves = entries.map((entry) => leafHash(leafText(entry)))
  const times = entries.map(({ created_at }) => created_at).sort()
  const facts: SealFacts = {
    tenant,
    number: number + 1,
    entries: entries.length,
    since: times[0] as string,
    until: times.at(-1) as string,
    root: merkleRoot(leaves).toString('hex'),
    previous,
  }
  const digest = digestOf(facts)
  heads.set(tenant, { number: facts.number, digest })
  return {
    ...facts,
    ids: entries.map(({ id }) => id),
    leaves: Buffer.concat(leaves).toString('hex'),
    digest,
    mac: macs.sign('seal', digest),
  }
}
