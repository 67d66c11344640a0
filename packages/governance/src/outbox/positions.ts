/**
 * Transactions of the log as far as it is known, `xid` each: no server has one ahead of its own (`pg_snapshot_xmax`). A dump takes them to
 * another, whose numbers are smaller; pg_upgrade and physical copies keep the numbers.
 *
 * @internal
 * @param schema quoted
 */
export const POSITIONS = (schema: string): string =>
  `select pg_snapshot_xmax(t.snapshot) as xid from ${schema}.outbox_tick t
    union all (select o.xid from ${schema}.outbox o order by o.xid desc, o.seq desc limit 1)`
