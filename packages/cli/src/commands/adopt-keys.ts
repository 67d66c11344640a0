import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseTenantKey } from '@org/core'
import { CliError, usage } from '../cli-error.ts'

/**
 * Which tenant each schema or database becomes.
 *
 * @param pattern what their names fit; `from` may be what its `*` stands for
 * @param from `star`, `name`, or the path of a file of JSON
 * @returns schemas by key
 * @throws CliError USAGE, CONFIGURATION, REFUSED
 */
export async function keysOf(
  schemas: readonly string[],
  pattern: string,
  from: string,
  folder: string,
): Promise<ReadonlyMap<string, string>> {
  const keyOf = await (from === 'star' || from === 'name'
    ? fromName(from, pattern)
    : fromFile(resolve(folder, from)))
  const keys = new Map<string, string>()
  const bad: (readonly [schema: string, key: string])[] = []
  for (const schema of schemas) {
    const key = keyOf(schema)
    if (key === undefined)
      throw new CliError('CONFIGURATION', `${from} has no key for the schema "${schema}".`)
    if (!isKey(key)) bad.push([schema, key])
    const other = keys.get(key)
    if (other !== undefined)
      throw new CliError(
        'REFUSED',
        `The schemas "${other}" and "${schema}" would both be the tenant "${key}". Say which with --key-from <file>.`,
      )
    keys.set(key, schema)
  }
  if (bad.length > 0) {
    const named = bad.slice(0, NAMED)
    const more = bad.length > NAMED ? ` and ${bad.length - NAMED} more` : ''
    const proposed = Object.fromEntries(named.map(([schema, key]) => [schema, proposedFor(key)]))
    throw new CliError(
      'REFUSED',
      `No key of a tenant comes of ${named.map(([schema]) => schema).join(', ')}${more}: it takes a-z, 0-9, - and _. Say which with ` +
        `--key-from <file>, a file that names every schema: ${JSON.stringify(proposed)}`,
    )
  }
  return keys
}

function isKey(text: string): boolean {
  try {
    parseTenantKey(text)
    return true
  } catch {
    return false
  }
}

/** What is nearest to it among keys. */
function proposedFor(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()
  const words = plain.split(/[^a-z0-9_]+/).filter((word) => word !== '')
  return words.join('-').replace(/^[_-]+/, '') || 'tenant'
}

/** Schemas named in an error; the rest is counted. */
const NAMED = 20

function fromName(from: 'star' | 'name', pattern: string): (schema: string) => string {
  if (from === 'name') return (schema) => schema
  const [before, after, ...more] = pattern.split('*')
  if (before === undefined || after === undefined || more.length > 0)
    throw usage('--key-from star needs a pattern with one *.')
  return (schema) => schema.slice(before.length, schema.length - after.length)
}

/**
 * Passwords that logins have, from a file of JSON; never from the command line, which other users of the machine see.
 *
 * @throws CliError CONFIGURATION
 */
export async function passwordOf(path: string, folder: string): Promise<(key: string) => string | undefined> {
  return await fromFile(resolve(folder, path), 'password')
}

async function fromFile(path: string, what = 'key'): Promise<(name: string) => string | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CliError('CONFIGURATION', `${path} cannot be read: ${error.code}.`)
  })
  const map = parsed(text)
  if (!map)
    throw new CliError(
      'CONFIGURATION',
      `${path} must be JSON: { "${what === 'key' ? 'schema' : 'key'}": "${what}", … }.`,
    )
  return (name) => map.get(name)
}

function parsed(text: string): ReadonlyMap<string, string> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const entries = Object.entries(value)
    return entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')
      ? new Map(entries)
      : undefined
  } catch {
    return undefined
  }
}
