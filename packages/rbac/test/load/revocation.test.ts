// @module-tag slow: two processes at full speed; epoch.test.ts revokes in every way and asks here and elsewhere.
import { hasPgBouncer, startPgBouncer } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'
import { measureRevocations, type Observed, type Revocations } from './measure.ts'
import type { Place } from './subjects.ts'

/** Milliseconds; the README's bound. */
const BOUND = 1_000

const direct = useWorld([])
const pooled = useWorld([])
const broken = useWorld([])

/** A world's application, never through the pooler of a whole run. */
function placeOf({ root, admin, appRole, rolePrefix, url }: ReturnType<typeof useWorld>): Place {
  const appUrl = Object.assign(new URL(url), { username: appRole, password: 'app' }).href
  return { root, admin, appRole, rolePrefix, appUrl }
}

const name = ({ server, by, kind, late }: Observed) => `${kind} by ${by}, seen by ${server}: ${late} ms`

/** Who was permitted to, longer than promised: at the next call where the store made the change, in a second elsewhere. */
const tooLate = ({ observed }: Revocations) =>
  observed.filter(({ server, by, late }) => late > (server === by ? 0 : BOUND)).map(name)

function expectKept(result: Revocations): void {
  const { observed } = result
  for (const one of observed)
    expect([name(one), one.allowed > 0, one.refused > 0]).toEqual([name(one), true, true])
  expect(tooLate(result)).toEqual([])
  // Some were served from memory after the commit: it was the memory that was measured.
  expect(observed.filter(({ late }) => late > 0).length).toBeGreaterThan(0)
}

describe('two processes at full speed, while permissions are taken away in every way', () => {
  it('permit none at the next call, and none a second after the commit elsewhere', async () => {
    expectKept(await measureRevocations(placeOf(direct)))
  })

  // The slow set: servers at full speed take every processor for as long as it takes.
  it.skipIf(!hasPgBouncer() || !process.env.TEST_SLOW)(
    'nor through a transaction-mode pooler, where LISTEN is not heard',
    async () => {
      const bouncer = await startPgBouncer({
        url: pooled.url,
        users: { [pooled.appRole]: 'app' },
        poolSize: 4,
      })
      try {
        const place = placeOf(pooled)
        const url = Object.assign(new URL(place.appUrl), { port: new URL(bouncer.url).port }).href
        expectKept(await measureRevocations(place, { url }))
      } finally {
        await bouncer.stop()
      }
    },
  )

  it.runIf(process.env.TEST_SLOW)('control: a memory of three seconds is found out', async () => {
    const late = tooLate(await measureRevocations(placeOf(broken), { slowness: 3 }))
    expect(late.length).toBeGreaterThan(0)
  })
})
