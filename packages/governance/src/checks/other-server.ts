import type { CheckFinding, CheckPlace } from '@org/core'
import { aheadSql } from '../control/other-server.ts'
import { POSITIONS } from '../outbox/positions.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { areThere } from './there.ts'

interface Part {
  readonly part: string
  readonly table: string
  /** Up to which transactions something has been done; what is behind them is passed over. */
  readonly reached: string
  /** Numbers by this server what is still to be done, what was written here meanwhile too, and puts all positions in front of it. */
  readonly anew: readonly string[]
}

/** Below every transaction there was: what has been done. */
const DONE = `'3'::xid8`
/** At or below whatever is not over yet, the transaction that asks among it. */
const OLDEST = 'pg_snapshot_xmin(pg_current_snapshot())'

const outboxAnew = (at: (table: string) => string): readonly string[] => [
  `UPDATE ${at('outbox')} o SET xid = CASE WHEN pg_visible_in_snapshot(o.xid, t.snapshot) AND o.published_at <= t.at THEN ${DONE} ELSE pg_current_xact_id() END FROM (SELECT snapshot, at FROM ${at('outbox_tick')} ORDER BY id DESC LIMIT 1) t`,
  ...['ready', 'loose', 'ordered'].map((name) => `UPDATE ${at(`outbox_${name}`)} SET xid = ${DONE}`),
  `UPDATE ${at('outbox_lease')} SET xids = array_fill(${DONE}, ARRAY[cardinality(xids)])`,
  `UPDATE ${at('outbox_tick')} SET snapshot = format('%1$s:%1$s:', ${OLDEST})::pg_snapshot`,
]

const usageAnew = (at: (table: string) => string): readonly string[] => [
  `UPDATE ${at('usage_delta')} d SET xid = CASE WHEN d.xid < c.upto AND d.at <= (SELECT coalesce(max(updated_at), '-infinity') FROM ${at('usage_metrics')}) THEN '0' ELSE pg_current_xact_id() END FROM ${at('usage_cursor')} c`,
  `UPDATE ${at('usage_cursor')} SET upto = ${OLDEST}`,
]

// What a seal was made over holds the number: it stays beside the new one.
const auditAnew = (at: (table: string) => string): readonly string[] => [
  `UPDATE ${at('audit_log')} l SET xid = pg_current_xact_id(), sealed_xid = CASE WHEN s.id IS NULL THEN NULL ELSE coalesce(l.sealed_xid, l.xid) END FROM ${at('audit_log')} o LEFT JOIN (SELECT DISTINCT tenant, unnest(ids) AS id FROM ${at('audit_seal')}) s ON s.tenant = o.tenant AND s.id = o.id WHERE (o.tenant, o.created_at, o.id) = (l.tenant, l.created_at, l.id) AND (s.id IS NULL OR l.xid >= ${OLDEST})`,
  `UPDATE ${at('audit_sealer')} SET xid = ${OLDEST}, id = '00000000-0000-0000-0000-000000000000'`,
]

const partsOf = (schema: string): readonly Part[] => {
  const at = (table: string) => qualify(schema, table)
  return [
    {
      part: 'outbox',
      table: 'outbox_tick',
      reached: POSITIONS(quoteIdentifier(schema)),
      anew: outboxAnew(at),
    },
    {
      part: 'usage',
      table: 'usage_cursor',
      reached: `select c.upto as xid from ${at('usage_cursor')} c`,
      anew: usageAnew(at),
    },
    {
      part: 'audit',
      table: 'audit_sealer',
      // What a tenant brought that moved here before this was known kept its numbers.
      reached: `select s.xid from ${at('audit_sealer')} s union all (select l.xid from ${at('audit_log')} l ORDER BY l.xid DESC LIMIT 1)`,
      anew: auditAnew(at),
    },
  ]
}

/**
 * Positions ahead of the server's own transactions, which no server gives itself: a dump (or logical replication) took them along to
 * another one, and pg_upgrade and physical copies do not.
 *
 * @internal
 */
export async function otherServerFindings(
  place: CheckPlace,
  schema: string,
): Promise<readonly CheckFinding[]> {
  const ahead: Part[] = []
  for (const part of partsOf(schema)) {
    if (!(await areThere(place, schema, part.table))) continue
    const { rows } = await place.query(`select from (${part.reached}) p where ${aheadSql('p.xid')} limit 1`)
    if (rows.length > 0) ahead.push(part)
  }
  if (ahead.length === 0) return []
  const parts = ahead.map(({ part }) => part).join(', ')
  return [
    {
      code: 'GOVERNANCE_OTHER_SERVER',
      severity: 'error',
      subject: parts,
      message: `${parts}: work was done up to transactions that this server has not had, so a dump brought the tables here from another (or a tenant its audit log, when it moved). What is published, used and recorded now is passed over.`,
      fix: `Stop everything that writes and works, and run as their owner: BEGIN; ${ahead.flatMap(({ anew }) => anew).join('; ')}; COMMIT`,
    },
  ]
}
