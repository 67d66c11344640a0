import { slotOf } from '../tables-sql.ts'
import { DISPATCH } from './dispatch.ts'
import { REDACT } from './redact.ts'
import { NEXT_OF_KEY, RENEW, SETTLE, TAKE, TAKE_BACK } from './take.ts'
import { ACCEPT, EMPTY, FORGET, HELD, HINTS, NEEDED, RESUME, SWEEP } from './upkeep.ts'

/** In an order in which each finds what it calls. */
export const OUTBOX_FUNCTIONS: readonly string[] = [
  DISPATCH,
  NEXT_OF_KEY,
  TAKE_BACK,
  TAKE,
  SETTLE.replace('{slot}', slotOf('d.due')),
  RENEW,
  HELD,
  RESUME,
  FORGET,
  NEEDED,
  EMPTY,
  SWEEP,
  ACCEPT,
  HINTS,
]

/** Who works on the queue calls these; the path of each is pinned, and nobody else may. */
export const SIGNATURES = [
  'outbox_dispatch()',
  'outbox_next_of_key(text, text)',
  'outbox_take_back(integer)',
  'outbox_take(integer, double precision, integer, boolean)',
  'outbox_settle(bigint, uuid, bigint[], jsonb)',
  'outbox_renew(bigint[], uuid[], double precision)',
  'outbox_held(double precision)',
  'outbox_resume(text)',
  'outbox_forget(text)',
  'outbox_needed(smallint, outbox_tick, bigint, bigint)',
  'outbox_empty(text, smallint, outbox_tick, bigint, bigint)',
  'outbox_sweep()',
  'outbox_accept(text, jsonb)',
  'outbox_hints()',
] as const

/** What came with a later step. */
export const LATER_FUNCTIONS: readonly string[] = [REDACT]
export const LATER_SIGNATURES = ['outbox_redact(text, xid8, uuid[], jsonb)'] as const

/** Of these, those that look up the rows of a lease one by one. */
export const BY_REFERENCE: readonly (typeof SIGNATURES)[number][] = [
  'outbox_take_back(integer)',
  'outbox_take(integer, double precision, integer, boolean)',
  'outbox_settle(bigint, uuid, bigint[], jsonb)',
]
