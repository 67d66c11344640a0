// @module-tag sampled
import { runProgram } from '@org/example-hono/test/child'
import { expect, it, vi } from 'vitest'
import { Claims } from '../src/claims.ts'

const DEMO = new URL('../src/demo.ts', import.meta.url)

// CI runs the demo by itself as well.
it.runIf(process.env.TEST_SLOW)(
  'tells the story to its end, every claim checked, and exits with 0',
  { timeout: 300_000 },
  async () => {
    const demo = runProgram(DEMO)
    expect(await demo.exited, demo.output()).toBe(0)
    expect(demo.output()).toMatch(/✓ 59 claims checked, all hold/)
    expect(demo.output()).toMatch(/what a superuser reads +enc:v1:[A-Za-z0-9+/]{70,}=*\n/)
    expect(demo.output()).toMatch(
      /copied into globex's row by a superuser, read there +ENVELOPE_UNREADABLE\n/,
    )
    expect(demo.output()).toMatch(/hand-written SET search_path on a pool: \d+ of 200 reads saw/)
    expect(demo.output()).toMatch(
      /operator's webhook, which failed twice +tenant\.created of initech, attempt 3\n/,
    )
    expect(demo.output()).toMatch(/another worker goes on: nothing is lost +12 of 12 told\n/)
    expect(demo.output()).toMatch(/a superuser changes one row of it: .* entry_changed /)
    expect(demo.output()).toMatch(/before: c_initech\.user; after: nowhere\n/)
    expect(demo.output(), 'no colour where there is no terminal').not.toContain('\u001b')
  },
)

it.runIf(process.env.TEST_SLOW)(
  'notices at the weaker level what that does not stop, and exits with 1',
  {
    timeout: 300_000,
  },
  async () => {
    const demo = runProgram(DEMO, { ISOLATION: 'schema' })
    expect(await demo.exited, demo.output()).toBe(1)
    expect(demo.output()).toMatch(/✗ select \* from c_globex\.notes +it went through/)
    expect(demo.output()).toMatch(/✗ 3 of 59 claims do not hold at isolation level schema/)
  },
)

it('counts a claim that does not hold, and says what was expected', () => {
  const printed = vi.spyOn(console, 'log').mockImplementation(() => {})
  const claims = new Claims()
  claims.check(true, 'holds')
  claims.checkAnswer('holds too', '404', '404')
  claims.checkAnswer('does not', '404', '200')
  const lines = printed.mock.calls.map(([text]) => String(text))
  printed.mockRestore()
  expect([claims.checked, claims.failed]).toEqual([3, 1])
  expect(lines.at(-1)).toMatch(/✗.* 200 .*expected: 404/)
})
