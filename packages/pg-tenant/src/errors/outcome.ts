import type { ServerError } from './server-error.ts'

/** `I`dle, in a `T`ransaction, or in a failed (`E`) one (ReadyForQuery, manual 54.7). */
export type TransactionStatus = 'I' | 'T' | 'E'

/** What a step is for; when the server refuses it, this says what that means. */
export type Phase =
  | 'begin'
  | 'clean'
  | 'gate'
  | 'pin'
  | 'savepoint'
  | 'queued'
  | 'statement'
  | 'constraints'
  | 'tail'
  | 'commit'
  | 'rollback'

/**
 * How an exchange ended. `failed`: the server refused step `step` and skipped everything behind it. `lost`: the
 * connection is gone or out of step; steps before `step` were answered, of the others nothing is known.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly status: TransactionStatus }
  | {
      readonly kind: 'failed'
      readonly step: number
      readonly error: ServerError
      readonly status: TransactionStatus
      /** Its values had been bound, so it may have begun; only asked of steps that can be prepared afresh. */
      readonly bound: boolean
    }
  | {
      readonly kind: 'lost'
      readonly step: number
      readonly error: Error
      /** Not a byte of it was written. */
      readonly unsent: boolean
    }
