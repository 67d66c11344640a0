import { describe, expect, it } from 'vitest'
import { loadedWhenBuilt } from '../layers/built.ts'
import { loadedBy } from '../layers/loaded.ts'

const folderOf = (path: string) => path.split('/')[1] ?? ''

describe("import '@org/pg-tenant', built", async () => {
  const { files, modules } = await loadedWhenBuilt('pg-tenant')

  it('loads what a request needs, and the linter, which is a plain function of the root', () => {
    // The bound stays: what comes new, is it needed by a request, and a file of its own?
    expect(modules.length).toBeLessThanOrEqual(75)
    expect(files).toBeLessThanOrEqual(40)
  })

  it('loads no administration, and no connections of the tenants’ own', () => {
    const never = [
      'admin',
      'adoption',
      'apps',
      'archive',
      'credentials',
      'doctor',
      'fleet',
      'lifecycle',
      'move',
      'offboard',
      'stats',
      'verify',
    ]
    expect(modules.filter((path) => never.includes(folderOf(path)))).toEqual([])
  })

  it('control: administration has modules of its own to load', () => {
    expect(loadedBy('packages/pg-tenant/src/admin.ts').length).toBeGreaterThan(40)
    expect(loadedBy('packages/pg-tenant/src/archive/restore/restore.ts').length).toBeGreaterThan(60)
  })
})
