import type { CheckFinding, CheckMeasure, CheckPlace } from '@org/core'
import { gaugesOf } from '../outbox/letters.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { ago, areThere } from './there.ts'

/** Seconds that what is ready may wait before a worker takes it. */
const LAG_SECONDS = 300
const CRITICAL_LAG_SECONDS = 3_600
/** Dead letters from which it is more than a notice. */
const MANY_DEAD = 100

const installed = ({ tenant }: CheckPlace) => tenant === undefined

const DEAD = (
  schema: string,
) => `select d.reason, count(*)::int as count, count(distinct d.tenant)::int as tenants
  from ${qualify(schema, 'outbox_dead')} d group by d.reason order by count(*) desc, d.reason limit 20`

/** @internal */
export async function outboxFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (!installed(place) || !(await areThere(place, schema, 'outbox_dead', 'outbox_lease', 'outbox_tick')))
    return []
  const { rows } = await place.query<{ reason: string; count: number; tenants: number }>(DEAD(schema))
  const dead = rows.map(
    ({ reason, count, tenants }): CheckFinding => ({
      code: 'OUTBOX_DEAD_LETTERS',
      severity: 'warning',
      subject: reason,
      message: `${count} events of ${tenants} tenants are dead letters: ${reason}.`,
      fix: 'See outboxControl(pool).list({ reason }); when its cause is mended redrive({ reason }), else discard({ reason }).',
    }),
  )
  const { stuck, lag } = await gauges(place, schema)
  return [...dead, ...stuckLeases(stuck), ...lagging(lag)]
}

/** @internal */
export async function outboxMeasures(place: CheckPlace, schema: string): Promise<readonly CheckMeasure[]> {
  if (!installed(place) || !(await areThere(place, schema, 'outbox_dead', 'outbox_lease', 'outbox_tick')))
    return []
  const { dead, stuck, lag } = await gauges(place, schema)
  return [...deadLetters(dead), ...stuckLeases(stuck), ...lagging(lag)]
}

async function gauges(place: CheckPlace, schema: string) {
  const { rows } = await place.query<Record<'dead' | 'stuck' | 'lag', string>>(
    gaugesOf(quoteIdentifier(schema)),
  )
  const { dead, stuck, lag } = rows[0] ?? {}
  return { dead: Number(dead ?? 0), stuck: Number(stuck ?? 0), lag: Math.round(Number(lag ?? 0)) }
}

function deadLetters(dead: number): readonly CheckMeasure[] {
  if (dead === 0) return []
  return [
    {
      code: 'OUTBOX_DEAD_LETTERS',
      severity: dead < MANY_DEAD ? 'notice' : 'warning',
      subject: 'outbox_dead',
      measured: dead,
      threshold: 0,
      message: `${dead} events are dead letters.`,
      fix: 'See outboxControl(pool).list(); when their cause is mended redrive({ reason }), else discard({ reason }).',
    },
  ]
}

function stuckLeases(stuck: number): readonly CheckMeasure[] {
  if (stuck === 0) return []
  return [
    {
      code: 'OUTBOX_STUCK',
      severity: 'error',
      subject: 'outbox_lease',
      measured: stuck,
      threshold: 0,
      message: `${stuck} leases ran out more than a minute ago and nobody took them back: no worker is running.`,
      fix: 'Run a worker (createWorker): it takes them back and hands their events over again.',
    },
  ]
}

function lagging(lag: number): readonly CheckMeasure[] {
  if (lag < LAG_SECONDS) return []
  return [
    {
      code: 'OUTBOX_LAG',
      severity: lag >= CRITICAL_LAG_SECONDS ? 'error' : 'warning',
      subject: 'outbox',
      measured: lag,
      threshold: LAG_SECONDS,
      message: `The oldest event that is ready has waited for ${ago(lag)}.`,
      fix: 'Run a worker (createWorker), or more of them; a handler that is slow wants more concurrency.',
    },
  ]
}
