import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { ATTACKS } from '../../src/testing/attack/index.ts'

// A hazard's letter says nothing by itself: SECURITY.md decodes every one that is used anywhere.

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const LETTER = /^(?:[a-z]|a[a-z]|k['′])$/
/** `hazard x`, `hazards g, h and q`, `hazards y to ab`; a letter is a word of its own. */
const MENTION = /\bhazards? \(?((?:[a-z]{1,2}['′]?(?:, | and | to )?)+)(?![\w-])/gi

async function decoded(): Promise<ReadonlySet<string>> {
  const text = await readFile(`${root}SECURITY.md`, 'utf8')
  const rows = text.split('\n').map((line) => /^\| ([a-z]{1,2}'?) \|/.exec(line)?.[1])
  return new Set(rows.filter((letter) => letter !== undefined))
}

async function mentions(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  const note = async (name: string) => {
    for (const [, list = ''] of (await readFile(`${root}${name}`, 'utf8')).matchAll(MENTION)) {
      for (const letter of list.split(/, | and | to /))
        if (LETTER.test(letter)) found.set(letter.replace('′', "'"), name)
    }
  }
  const exclude = (name: string) => /(^|\/)(node_modules|dist)$/.test(name)
  for await (const name of glob('{packages,examples,bench,tools,docs}/**/*.{ts,tsx,md,sql}', {
    cwd: root,
    exclude,
  }))
    await note(name)
  for await (const name of glob('*.{ts,md}', { cwd: root })) await note(name)
  return found
}

it('SECURITY.md decodes every letter that is used', async () => {
  const known = await decoded()
  const used = await mentions()
  expect(used.size).toBeGreaterThan(20)
  expect([...used].filter(([letter]) => !known.has(letter))).toEqual([])
})

it('and every letter that an attack is named by', async () => {
  const known = await decoded()
  const named = ATTACKS.map(({ id }) => id.split('.')[0] ?? '').filter((word) => word.length <= 2)
  expect(named.length).toBeGreaterThan(30)
  expect(named.filter((letter) => !known.has(letter))).toEqual([])
})

it('leaves out none from a to af', async () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz', 'aa', 'ab', 'ac', 'ad', 'ae', 'af', "k'"]
  expect([...(await decoded())].sort()).toEqual(letters.sort())
})
