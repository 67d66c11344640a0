import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readConfig } from '../src/config.ts'

const given = {
  DATABASE_URL: 'postgres://app@db/hub',
  ADMIN_DATABASE_URL: 'postgres://admin@db/hub',
  TOKEN_SIGNING_KEY: 'key',
  API_KEY_PEPPER: '0'.repeat(64),
  SETTINGS_ENCRYPTION_KEY: '1'.repeat(64),
}
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-config-'))
})
afterAll(() => rm(folder, { recursive: true }))

it('takes what a file holds that a variable names', async () => {
  const file = join(folder, 'pepper')
  await writeFile(file, `${'a'.repeat(64)}\n`)
  const { API_KEY_PEPPER: _, ...rest } = given
  expect(readConfig({ ...rest, API_KEY_PEPPER_FILE: file })).toMatchObject({ API_KEY_PEPPER: 'a'.repeat(64) })
})

it('names the variable whose file is not there, and not what is in another', () => {
  const missing = () => readConfig({ ...given, AUDIT_KEY_FILE: join(folder, 'nowhere') })
  expect(missing).toThrow('the file that AUDIT_KEY_FILE names cannot be read')
})

it('takes only an address for the collector of traces', () => {
  const config = (address: string) => readConfig({ ...given, OTEL_EXPORTER_OTLP_ENDPOINT: address })
  expect(config('http://localhost:4318').OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://localhost:4318')
  expect(config('').OTEL_EXPORTER_OTLP_ENDPOINT).toBeUndefined()
  expect(() => config('file:///etc/passwd')).toThrow(/OTEL_EXPORTER_OTLP_ENDPOINT/)
})
