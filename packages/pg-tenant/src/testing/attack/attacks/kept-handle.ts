import { nameOf, notApplicable, open, settle, stopped } from '../finding.ts'
import type { Finding, SubjectDb } from '../types.ts'
import { attack, EVERY, ROOM, type Scene } from './scene.ts'

/** Uses a handle of tenant a inside a scope of tenant b. */
async function useInside({ subject, a, b, lab }: Scene, kept: SubjectDb | undefined): Promise<Finding> {
  const read = await subject.withTenant(b, async (db) => {
    await db.query('select 1')
    return await settle(kept?.query('select body from notes') ?? Promise.reject(new Error('no handle')))
  })
  if (!read.ok) return stopped(`the old handle is refused (${nameOf(read.error)})`)
  if (lab.through === 'pool' && read.value.rows.every((row) => row.body === `row of ${a}`))
    return stopped("it reads its own tenant's rows")
  const foreign = read.value.rows.some((row) => row.body === `row of ${b}`)
  return open(foreign ? "the old handle reads the next tenant's rows" : 'the old handle still runs queries')
}

const handle = attack(
  { id: 'e', title: 'handle kept after its scope', promise: EVERY },
  async (scene) => {
    let kept: SubjectDb | undefined
    await scene.subject.withTenant(scene.a, async (db) => {
      kept = db
      await db.query('select 1')
    })
    return useInside(scene, kept)
  },
  ROOM,
)

const savepoint = attack(
  { id: 'e.savepoint', title: 'handle of a savepoint kept after it', promise: EVERY },
  async (scene) => {
    let kept: SubjectDb | undefined
    const inside = await scene.subject.withTenant(scene.a, async (db) => {
      if (!db.savepoint) return undefined
      await db.savepoint(async (inner) => {
        kept = inner
        await inner.query('select 1')
      })
      return await settle(kept?.query('select 1') ?? Promise.reject(new Error('no handle')))
    })
    if (inside === undefined) return notApplicable('the subject has no savepoints')
    if (inside.ok && scene.lab.through === 'scope')
      return open('the handle of a released savepoint still runs queries')
    return useInside(scene, kept)
  },
  ROOM,
)

export const keptHandle = [handle, savepoint]
