import { TenancyError } from '@org/core'

/** Of a number of a transaction: whether this server has not come to it, so that it is another's. */
export const aheadSql = (xid: string): string => `(${xid} > pg_snapshot_xmax(pg_current_snapshot()))`

/** What is behind a number that is another server's was not done, and what is done here now would be passed over. */
export function otherServer(
  what: string,
  next = 'doctor() says what to do (GOVERNANCE_OTHER_SERVER).',
): TenancyError {
  return new TenancyError(
    'CONFLICT',
    `${what} of another server: its transactions are ahead of this one’s. A dump brought it here, or a failover lost the last of them. Nothing is taken, so that nothing is lost; ${next}`,
    { details: { reason: 'other_server' } },
  )
}
