// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import type { AttackKitOptions, AttackReport } from '../../src/testing/attack/index.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'
import { attackIn, findingOf, pipelining } from './kit-world.ts'
import { ambient, batching, obvious, pipelined } from './obvious.ts'

const world = useWorld([])

// Its own version of provisioning creates schemas as the application.
beforeAll(() =>
  world.root.query(
    `do $$ begin execute format('grant create on database %I to ${world.appRole}', current_database()); end $$`,
  ),
)

/** The application owns what the control provisions: only a superuser can remove all of it. */
const attackControl = (options: Partial<AttackKitOptions>): Promise<AttackReport> =>
  attackIn(world, { isolation: 'schema', adminUrl: world.url, ...options })

/** What the obvious helper is broken by; the attacks would prove nothing if it were not. */
const BROKEN = [
  'a',
  'b.missing',
  'b.usage',
  'b.withdrawn',
  'b.dropped',
  'b.renamed',
  'b.create',
  'c',
  'd',
  'e',
  'e.savepoint',
  'f.commands',
  'f.functions',
  'f.several',
  'g',
  'h',
  'i',
  'j',
  'j.other',
  'j.wait',
  'k',
  "k'",
  "k'.rollback",
  "k'.mode",
  'l.catalogue',
  'm',
  'm.pg_notify',
  'n',
  'n.registry',
  'o.names',
  'o.set_config',
  'o.do',
  'o.lasting',
  'o.savepoint',
  'p.poison',
  'p.transaction',
  'p.outside',
  'q',
  'r',
  't',
  'v',
  'w',
]

describe('the obvious helper', () => {
  let report: AttackReport
  const only = inTurn(BROKEN, 9)
  beforeAll(async () => {
    report = await attackControl({ subject: obvious, only })
  })

  it.each(only)('is broken by %s', (id) => {
    expect(findingOf(report, id)).toMatchObject({ verdict: 'open' })
  })

  it('does not pass', () => {
    expect(report.ok).toBe(false)
  })
})

it.skipIf(SLOW)('the ambient variant is broken by s', async () => {
  const report = await attackControl({ subject: ambient, only: ['s'] })
  expect(findingOf(report, 's')).toMatchObject({ verdict: 'open' })
})

it.skipIf(SLOW)(
  'one batching client over AsyncLocalStorage, as Prisma’s is, is broken by s.batch',
  async () => {
    const report = await attackControl({ subject: batching, only: ['s'] })
    expect(findingOf(report, 's.batch')).toMatchObject({
      verdict: 'open',
      evidence: "one tenant's look-up was answered with another's rows",
    })
  },
)

it.skipIf(SLOW)('the pipelining variant is broken by w', async () => {
  const report = await attackControl({
    subject: pipelined,
    poolFactory: pipelining,
    only: ['w'],
  })
  expect(findingOf(report, 'w')).toMatchObject({
    verdict: 'open',
    evidence: 'the statement ran without the tenant',
  })
})
