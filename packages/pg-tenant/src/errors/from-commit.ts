import { SQLSTATE, type TenancyError } from '@org/core'
import { fromCall, type StatementFacts } from './from-database.ts'
import { unknownOutcome } from './from-scope.ts'
import type { ServerError } from './server-error.ts'
import { isRaised } from './server-reason.ts'

/** What a commit was refused with, and under which circumstances. */
export interface CommitFacts extends StatementFacts {
  /** Other nodes commit ahead of the server that answers. */
  readonly distributed: boolean
}

/** Connection exceptions: only another server that took part can say so in an answer (postgres_fdw, Citus). */
const CONNECTION = '08'
/** Resources, an operator or a shutdown, the system, an internal error: what another node did before is not known. */
const NO_PROOF: ReadonlySet<string> = new Set([CONNECTION, '53', '57', '58', 'XX'])
/** What Citus puts behind the words of a worker (`ReportResultError`). */
const OF_A_WORKER = /while executing command on \S+:\d+$/
/** The coordinator looks for conflicts of its own when the workers have committed (`CommitTransaction` in xact.c). */
const BEHIND_THE_WORKERS = 'PreCommit_CheckForSerializationFailure'

/**
 * COMMIT was answered with an error. A server by itself has rolled back then. Where other nodes commit before it, that is
 * proven only by an error that comes ahead of them or is their own refusal, which Citus tells in a warning.
 *
 * @param notices the last that came before the error
 */
export function fromFailedCommit(
  error: ServerError,
  notices: readonly ServerError[] = [],
  facts: CommitFacts,
): TenancyError {
  // Whatever a trigger of the tenant's raises, it raises ahead of everything.
  if (isRaised(error)) return fromCall(error, facts)
  const kind = error.code.slice(0, 2)
  if (!facts.distributed)
    return kind === CONNECTION && error.code !== SQLSTATE.PROTOCOL_VIOLATION
      ? unknownOutcome(error, 'elsewhere')
      : fromCall(error, facts)
  const refusal = refusalIn(notices)
  if (refusal) return fromCall(refusal, facts)
  const late = error.code === SQLSTATE.SERIALIZATION_FAILURE && error.routine === BEHIND_THE_WORKERS
  return late || NO_PROOF.has(kind) ? unknownOutcome(error, 'elsewhere') : fromCall(error, facts)
}

/** A worker's own error, right ahead of Citus's word that it did not commit. A worker that went away says nothing of the kind. */
function refusalIn(notices: readonly ServerError[]): ServerError | undefined {
  return notices.find((notice) => {
    const { code, where } = notice
    const kind = code.slice(0, 2)
    return (
      !isRaised(notice) &&
      OF_A_WORKER.test(where ?? '') &&
      !NO_PROOF.has(kind) &&
      kind !== '00' &&
      kind !== '01'
    )
  })
}
