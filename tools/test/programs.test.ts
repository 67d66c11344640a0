import { afterEach, expect, it, vi } from 'vitest'
import { aptHere, installPrograms } from '../programs/install.ts'
import { PROGRAMS } from '../programs/programs.ts'

afterEach(() => vi.unstubAllEnvs())
const ALL = PROGRAMS.map(({ names }) => names[0])
/** A machine that has none of them, where nobody installed anything. */
const bare = () => {
  vi.stubEnv('PATH', '/nowhere')
  vi.stubEnv('TEST_HIDE', ALL.join(','))
}

it('names each program that is missing once, with what is not tested and how to get it', () => {
  bare()
  const lines: string[] = []
  installPrograms(undefined, (line) => lines.push(line))
  expect(lines).toHaveLength(ALL.length)
  for (const { names, debian } of PROGRAMS) {
    expect(lines.filter((line) => line.startsWith(`Without ${names[0]} `))).toHaveLength(1)
    expect(lines.join('\n')).toContain(`apt-get install ${debian}`)
  }
})

it('installs nothing that is hidden', () => {
  bare()
  const calls: string[] = []
  installPrograms(
    (args) => calls.push(args.join(' ')) > 0,
    () => {},
  )
  expect(calls).toEqual([])
})

it('is not stopped by an apt-get that fails', () => {
  const made = { names: ['no-such-program'], tests: 'none', debian: 'no-such-package' } as const
  const lines: string[] = []
  installPrograms(
    () => false,
    (line) => lines.push(line),
    [made],
  )
  expect(lines[0]).toMatch(/^Installing .*no-such-package/)
  expect(lines[1]).toMatch(/^Without no-such-program/)
})

it('takes no apt-get where it was told not to', () => {
  expect(aptHere({ ...process.env, TEST_INSTALL: 'no' })).toBeUndefined()
})
