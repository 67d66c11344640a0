import type { Queryable, TenantKey } from '@org/core'
import { aheadSql, otherServer } from '../control/other-server.ts'
import type { Macs } from '../keys/macs.ts'
import { leafHash, leavesOf, merkleRoot } from './merkle.ts'
import { leafText, STORED, type StoredEntry, signedTextOf, utc } from './row.ts'
import { digestOf, type Head, NO_HEAD, type SealFacts, type SealTables } from './seal.ts'

/** What is not as it was written. */
export interface AuditFault {
  /**
   * `entry_missing`, `entry_changed`: sealed, and gone or altered since. `entry_inserted`: put among what was sealed before.
   * `entry_forged`: not written by a program that has the key. `seal_missing`, `seal_changed`: the proof itself was
   * touched. `head_missing`: the log ends before the seal that was expected.
   */
  readonly kind:
    | 'entry_missing'
    | 'entry_changed'
    | 'entry_inserted'
    | 'entry_forged'
    | 'seal_missing'
    | 'seal_changed'
    | 'head_missing'
  /** The seal's number; 0 for an entry that is in none. */
  readonly seal: number
  /** The entry's id. */
  readonly id: string | null
}

export interface AuditVerification {
  readonly ok: boolean
  /** Seals that were checked, entries that are as they were sealed, and such as are not sealed yet. */
  readonly seals: number
  readonly entries: number
  readonly unsealed: number
  /** Entries that retention removed, by its own word. */
  readonly removed: number
  /** The last seal. Keep it elsewhere and pass it next time: only so does a log whose end was cut off show. */
  readonly head: { readonly number: number; readonly digest: string } | null
  /** The first first; at most 100. */
  readonly faults: readonly AuditFault[]
}

/** @internal */
export interface VerifyTables extends SealTables {
  readonly horizon: string
}

const MAX_FAULTS = 100
const SEALS = 20
const PAGE = 2_000

interface StoredSeal extends Omit<SealFacts, 'number' | 'tenant'> {
  readonly number: string
  readonly ids: readonly string[]
  readonly leaves: string
  readonly digest: string
  readonly mac: string
}

/** What says of itself that it is in a seal: sealing has been where it stands, or sealed it on another server. */
const SEALED = '(l.sealed_xid is not null or (l.xid, l.id) <= (p.xid, p.id))'

const sealsSql = ({
  seal,
}: VerifyTables) => `select s.number::text as number, s.entries, s.ids::text[] as ids,
    encode(s.leaves, 'hex') as leaves, ${utc('s.since')} as since, ${utc('s.until')} as until,
    encode(s.root, 'hex') as root, encode(s.previous, 'hex') as previous, encode(s.digest, 'hex') as digest, s.mac
  from ${seal} s where s.tenant = $1::text and s.number > $2::bigint order by s.number limit ${SEALS}`

const sealedSql = ({
  log,
  sealer,
}: VerifyTables) => `select ${STORED}, ${SEALED} as placed from ${log} l, ${sealer} p
  where l.tenant = $1::text and l.created_at between $2::timestamptz and $3::timestamptz and l.id = any ($4::uuid[])`

const aheadOf = ({ sealer }: VerifyTables) => `select ${aheadSql('p.xid')} as ahead from ${sealer} p`

const horizonSql = ({ horizon }: VerifyTables) =>
  `select ${utc('h.before')} as before, h.except_tenants as held, h.mac from ${horizon} h order by h.before desc`

/** @internal What retention signs: up to when it removed entries, and of whom it kept them. */
export const horizonText = (before: string, held: readonly string[]): string => JSON.stringify([before, held])

/** @internal Seals of times of which nothing is there any more. */
export const thinSql = ({ log, seal, horizon }: VerifyTables) => `update ${seal} s set ids = '{}', leaves = ''
  where s.ids <> '{}' and s.until < (select max(h.before) from ${horizon} h)
    and not exists (select from ${log} l where l.tenant = s.tenant and l.created_at between s.since and s.until)`

/** Entries that stand where sealing has been, and are in no seal. */
const insertedSql = ({
  log,
  seal,
  sealer,
}: VerifyTables) => `select l.id::text as id from ${log} l, ${sealer} p
  where l.tenant = $1::text and ${SEALED} and not exists (select from ${seal} s
    where s.tenant = $1::text and l.created_at between s.since and s.until and l.id = any (s.ids))
  order by l.created_at, l.id limit ${MAX_FAULTS}`

/** A genuine entry, copied: its code is right, but an id is given once. */
const twiceSql = ({ log }: VerifyTables) => `select l.id::text as id from ${log} l where l.tenant = $1::text
  group by l.id having count(*) > 1 order by l.id limit ${MAX_FAULTS}`

const unsealedSql = ({ log, sealer }: VerifyTables) => `select ${STORED} from ${log} l, ${sealer} p
  where l.tenant = $1::text and not ${SEALED}
    and ($2::timestamptz is null or (l.created_at, l.id) > ($2::timestamptz, $3::uuid))
  order by l.created_at, l.id limit ${PAGE}`

const countSql = ({ log, sealer }: VerifyTables) => `select count(*)::text as count from ${log} l, ${sealer} p
  where l.tenant = $1::text and ${SEALED}`

/** @internal See `AuditLog.verify`. */
export async function verifyLog(
  control: Queryable,
  tables: VerifyTables,
  macs: Macs,
  tenant: TenantKey,
  expected?: Head,
): Promise<AuditVerification> {
  const found: AuditFault[] = []
  const report = (kind: AuditFault['kind'], seal: number, id: string | null = null) => {
    if (found.length < MAX_FAULTS) found.push({ kind, seal, id })
  }
  if ((await control.query<{ ahead: boolean }>(aheadOf(tables))).rows[0]?.ahead)
    throw otherServer('The audit log is')
  const before = await horizonOf(control, tables, macs, tenant)
  let [head, seals, entries, placed, removed] = [NO_HEAD, 0, 0, 0, 0]
  let seen = expected === undefined
  for (;;) {
    const { rows } = await control.query<StoredSeal>(sealsSql(tables), [tenant, head.number])
    if (rows.length === 0) break
    for (const seal of rows) {
      const number = Number(seal.number)
      for (let gap = head.number + 1; gap < number && found.length < MAX_FAULTS; gap++)
        report('seal_missing', gap)
      const gone = before !== undefined && seal.until < before
      if (!isGenuine(seal, tenant, head, number, macs, gone)) report('seal_changed', number)
      else {
        const there = await checkSeal(
          control,
          tables,
          macs,
          tenant,
          seal,
          gone ? allowMissing(report) : report,
        )
        entries += there.entries
        placed += there.placed
        if (gone) removed += seal.entries - there.entries
      }
      seen ||= expected?.number === number && expected.digest === seal.digest
      head = { number, digest: seal.digest }
      seals++
    }
  }
  if (!seen) report('head_missing', expected?.number ?? 0)
  if (
    Number((await control.query<{ count: string }>(countSql(tables), [tenant])).rows[0]?.count) !== placed
  ) {
    const { rows } = await control.query<{ id: string }>(insertedSql(tables), [tenant])
    for (const { id } of rows) report('entry_inserted', 0, id)
  }
  const twice = await control.query<{ id: string }>(twiceSql(tables), [tenant])
  for (const { id } of twice.rows) report('entry_inserted', 0, id)
  const unsealed = await checkUnsealed(control, tables, macs, tenant, report)
  return {
    ok: found.length === 0,
    seals,
    entries,
    unsealed,
    removed,
    head: head.number === 0 ? null : head,
    faults: found,
  }
}

type Report = (kind: AuditFault['kind'], seal: number, id?: string | null) => void

/** Of what retention has removed some may still be there: it is checked, and what is not is no fault. */
function allowMissing(report: Report): Report {
  return (kind, seal, id) => {
    if (kind !== 'entry_missing') report(kind, seal, id)
  }
}

/** Up to when retention has removed entries; words that were not signed with the key do not count. */
async function horizonOf(
  control: Queryable,
  tables: VerifyTables,
  macs: Macs,
  tenant: string,
): Promise<string | undefined> {
  const { rows } = await control.query<{ before: string; held: string[]; mac: string }>(horizonSql(tables))
  const genuine = ({ before, held, mac }: (typeof rows)[number]) =>
    !held.includes(tenant) && macs.verify('horizon', horizonText(before, held), mac)
  return rows.find(genuine)?.before
}

function isGenuine(
  seal: StoredSeal,
  tenant: string,
  head: Head,
  number: number,
  macs: Macs,
  gone: boolean,
): boolean {
  const { root, leaves, ids, entries } = seal
  // A seal is missing in front: that was reported, and this one is checked for itself.
  if (number === head.number + 1 && seal.previous !== head.digest) return false
  if (digestOf({ ...seal, tenant, number }) !== seal.digest) return false
  if (!macs.verify('seal', seal.digest, seal.mac)) return false
  // What retention removed, it also removes from the seal.
  if (gone) return true
  const hashes = leavesOf(Buffer.from(leaves, 'hex'))
  return ids.length === entries && hashes.length === entries && merkleRoot(hashes).toString('hex') === root
}

/** @returns how many of its entries are there, and how many of them stand where what is sealed does */
async function checkSeal(
  control: Queryable,
  tables: VerifyTables,
  macs: Macs,
  tenant: TenantKey,
  { ids, leaves, since, until, number }: StoredSeal,
  report: Report,
): Promise<{ entries: number; placed: number }> {
  const values = [tenant, since, until, ids]
  const { rows } = await control.query<StoredEntry & { placed: boolean }>(sealedSql(tables), values)
  const stored = new Map(rows.map((row) => [row.id, row]))
  const hashes = leavesOf(Buffer.from(leaves, 'hex'))
  for (const [at, id] of ids.entries()) {
    const row = stored.get(id)
    if (row === undefined) report('entry_missing', Number(number), id)
    else if (!leafHash(leafText(row)).equals(hashes[at] as Buffer))
      report('entry_changed', Number(number), id)
    else if (!macs.verify('entry', signedTextOf(row), row.mac)) report('entry_forged', Number(number), id)
  }
  return { entries: rows.length, placed: rows.filter((row) => row.placed).length }
}

async function checkUnsealed(
  control: Queryable,
  tables: VerifyTables,
  macs: Macs,
  tenant: TenantKey,
  report: Report,
): Promise<number> {
  let count = 0
  let after: readonly (string | null)[] = [null, null]
  for (;;) {
    const { rows } = await control.query<StoredEntry>(unsealedSql(tables), [tenant, ...after])
    for (const row of rows) {
      if (!macs.verify('entry', signedTextOf(row), row.mac)) report('entry_forged', 0, row.id)
    }
    count += rows.length
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE) return count
    after = [last.created_at, last.id]
  }
}
