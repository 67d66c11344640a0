import { isTenancyError } from '@org/core'
import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { ReportedFinding } from '../report.ts'
import { type Finding, type Lab, NotApplicable } from '../types.ts'
import { CALLS, type HostileCall } from './calls.ts'
import { Escape } from './escape.ts'
import { type Report, stolen } from './heard.ts'
import { namesOf, withNames } from './kind.ts'
import { KINDS } from './kinds.ts'
import { LEAVING } from './leaving.ts'
import { PLACES_SQL, REFUSED } from './places.ts'
import { SCOPES } from './scopes.ts'
import { changed, snapshot } from './snapshot.ts'
import { openStage, type Stage } from './stage.ts'

const TITLE = 'a hostile tenant’s code in'

/** Plants every kind of code a tenant can own, then makes every call: whatever runs must have no right of anybody else. */
export async function runHostile(
  lab: Lab,
  calls: readonly HostileCall[] | undefined,
  wanted: (id: string) => boolean,
): Promise<readonly ReportedFinding[]> {
  const chosen = (calls ?? [...SCOPES, ...CALLS, ...LEAVING]).filter(({ id }) => wanted(`x.${id}`))
  const stage = await openStage(lab).catch((error: unknown) => {
    if (error instanceof NotApplicable) return error
    throw error
  })
  if (stage instanceof NotApplicable) {
    return chosen.map((call) => report(call.id, `${TITLE} ${call.title}`, notApplicable(stage.message)))
  }
  try {
    const findings = [report('plants', 'what of the catalogue a tenant can own', await plants(stage))]
    // Bounds of partitions are computed once, when they are made.
    const ran = new Set<string>(stage.heard().map(({ kind }) => kind))
    for (const call of chosen) {
      const fits = !lab.traits.shared && (call.levels?.includes(lab.isolation) ?? true)
      const finding = fits ? await attempt(stage, call, ran) : notApplicable(`not at level ${lab.isolation}`)
      findings.push(report(call.id, `${TITLE} ${call.title}`, finding))
    }
    if (chosen.includes(SCOPES[0] as HostileCall))
      findings.push(report('ran', 'all that was planted ran', allRan(lab, ran)))
    return findings
  } finally {
    await stage.close()
  }
}

const report = (id: string, title: string, finding: Finding): ReportedFinding => ({
  id: `x.${id}`,
  title,
  promised: true,
  ...finding,
})

/** Every place of this server's catalogue is one where code is planted now, or one where PostgreSQL refuses it. */
async function plants(stage: Stage): Promise<Finding> {
  const { lab, evil, tenancy, targets } = stage
  if (lab.traits.shared) return await plantsInRows(stage)
  const failed = await stage.plant()
  const rows = await lab.admin(PLACES_SQL)
  const covered = new Set<string>([...KINDS, ...REFUSED].flatMap(({ places }) => places))
  const unknown = rows.map(({ place }) => String(place)).filter((place) => !covered.has(place))
  if (unknown.length > 0) return open(`nothing is planted in ${unknown.join(', ')}`)
  for (const { id, sql } of REFUSED) {
    const outcome = await settle(tenancy.query(evil, withNames(sql, targets.schema)))
    if (outcome.ok) return open(`a tenant may make its own ${id}, and no kind of code is planted there`)
  }
  return stopped(
    `${rows.length} places, ${KINDS.length} kinds${failed.length > 0 ? `; refused: ${[...new Set(failed)].join(', ')}` : ''}`,
  )
}

/** At level `row` a tenant owns nothing, so nothing can be planted. */
async function plantsInRows({ tenancy, evil, targets }: Stage): Promise<Finding> {
  const made: string[] = []
  for (const { id, plant } of KINDS) {
    for (const sql of plant) {
      const outcome = await settle(tenancy.query(evil, withNames(sql, targets.schema)))
      if (outcome.ok) made.push(id)
    }
  }
  return made.length === 0 ? stopped('a tenant can own no code') : open(`planted: ${made.join(', ')}`)
}

/** Code that never ran would prove nothing. */
function allRan({ traits }: Lab, ran: ReadonlySet<string>): Finding {
  if (traits.shared) return notApplicable('not at level row')
  const planted = KINDS.filter(({ owner }) => traits.ownRole || !owner).flatMap(namesOf)
  const idle = [...new Set(planted)].filter((name) => !ran.has(name))
  return idle.length > 0
    ? open(`it never ran: ${idle.join(', ')}`)
    : stopped(`${ran.size} pieces of code ran`)
}

async function attempt(stage: Stage, call: HostileCall, ran: Set<string>): Promise<Finding> {
  const { lab, targets, good } = stage
  const before = await snapshot(lab, targets, good)
  stage.heard()
  const outcome = await settle(call.run(stage))
  const heard = stage.heard()
  for (const { kind } of heard) ran.add(kind)
  const after = call.about === 'good' ? before : await snapshot(lab, targets, good)
  const finding = judge(stage, call, heard, changed(before, after, targets))
  if (call.spoils) await stage.renew()
  if (!outcome.ok && outcome.error instanceof Escape) return open(outcome.error.message)
  if (!outcome.ok && outcome.error instanceof NotApplicable && finding.verdict !== 'open')
    return notApplicable(outcome.error.message)
  const how = outcome.ok ? 'done' : `refused (${nameOf(outcome.error)}: ${wordsOf(outcome.error)})`
  return { ...finding, evidence: `${how}; ${finding.evidence}` }
}

/** Messages of the library are safe to show. */
const wordsOf = (error: unknown): string =>
  isTenancyError(error) ? (error.message.split('. ', 1)[0] ?? '') : 'no error of the library'

function judge(
  stage: Stage,
  call: HostileCall,
  heard: readonly Report[],
  changes: readonly string[],
): Finding {
  const { isolation } = stage.lab
  const ran = new Set(heard.map(({ kind }) => kind))
  if (call.about === 'good' && heard.length > 0)
    return open(`the hostile tenant's code ran in it: ${[...ran].join(', ')}`)
  const had = new Map<string, string[]>()
  for (const one of heard) {
    const rights = stolen(isolation, one)
    if (rights.length === 0) continue
    const what = `${rights.join(', ')} as ${roleName(stage, one.session)}/${roleName(stage, one.user)}`
    had.set(what, [...(had.get(what) ?? []), one.kind])
  }
  if (changes.length > 0) return open(`changed: ${changes.join('; ')}`)
  if (had.size > 0)
    return open([...had].map(([what, kinds]) => `${what}: ${[...new Set(kinds)].join(' ')}`).join('; '))
  return stopped(`${ran.size} kinds ran and had nothing`)
}

function roleName({ targets }: Stage, role: string): string {
  if (role === targets.administrator) return 'administrator'
  if (role === targets.application) return 'application'
  return role === targets.role ? 'itself' : role
}
