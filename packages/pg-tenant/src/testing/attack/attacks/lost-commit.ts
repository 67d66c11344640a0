import type { WireAction, WireMessage } from '@org/pg-testing'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { Attack, Finding, Lab, Victims } from '../types.ts'
import { EVERY } from './scene.ts'

type Cut = 'before COMMIT' | 'after COMMIT' | 'at a statement'

const MARK = 'kit_lost_commit'
const PATIENCE_MS = 5_000

/** Cuts the connection of the scope that says MARK, at the moment asked for. */
function scissors(cut: Cut): (message: WireMessage) => WireAction | undefined {
  let marked = false
  let committing = false
  return ({ from, type, text = '' }) => {
    if (from !== 'frontend') return undefined
    if (text.includes(MARK)) {
      marked = true
      if (cut === 'at a statement') return 'cut-before'
    }
    if (!marked) return undefined
    if (/^commit$/i.test(text)) {
      committing = true
      if (cut === 'before COMMIT') return 'cut-before'
      if (type === 'Query') return 'cut-after'
    }
    // In the extended protocol COMMIT takes effect with the Sync (or Flush) that sends it off.
    return committing && type === 'Sync' ? 'cut-after' : undefined
  }
}

/** Writes one row in a scope whose connection is cut: what the caller is told, and whether the row is there. */
async function write(
  lab: Lab,
  { a }: Victims,
  cut: Cut,
): Promise<{ told: string; kept: boolean; cut: boolean }> {
  const body = `${MARK} ${cut}`
  let done = false
  const onMessage = scissors(cut)
  const rig = await lab.open({
    onMessage: (message) => {
      const action = onMessage(message)
      if (action) done = true
      return action
    },
  })
  try {
    const outcome = await settle(
      rig.subject.withTenant(a, (db) => db.query(`insert into notes (body) values ('${body}')`)),
    )
    await backendsGone(lab, a)
    const kept = (await lab.bodies(a)).includes(body)
    return { told: outcome.ok ? 'success' : nameOf(outcome.error), kept, cut: done }
  } finally {
    await rig.close()
  }
}

/** Whether the row is there is decided only when no backend works on it any more. */
async function backendsGone(lab: Lab, tenant: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  while (performance.now() < until) {
    const rows = await lab.adminAt(
      tenant,
      `select 1 from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
       where c.relname = 'notes' and l.mode = 'RowExclusiveLock' and starts_with(n.nspname, $1)`,
      [lab.schemaOf('')],
    )
    if (rows.length === 0) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function run(lab: Lab): Promise<Finding> {
  const victims = await lab.victims()
  const after = await write(lab, victims, 'after COMMIT')
  const before = await write(lab, victims, 'before COMMIT')
  const early = await write(lab, victims, 'at a statement')
  if (!after.cut || !before.cut) return notApplicable('the subject sent no COMMIT that could be recognised')
  for (const { told, kept } of [after, before, early]) {
    if (told === 'success' && !kept) return open('reported success, the row is gone')
  }
  if (early.kept) return open('a row is there whose INSERT never arrived')
  if (after.kept && after.told === early.told) {
    return open(`"${after.told}" whether committed or not: the caller cannot tell`)
  }
  return stopped(`lost at COMMIT: ${after.told} / ${before.told}; lost earlier: ${early.told}`)
}

export const lostCommit: Attack = { id: 'q', title: 'connection lost at COMMIT', promise: EVERY, run }
