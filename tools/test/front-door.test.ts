import { describe, expect, it } from 'vitest'
import { loadedBy } from '../layers/loaded.ts'

const own = (entry: string) => loadedBy(entry).filter((file) => file.startsWith('packages/pg-tenant/'))
const folderOf = (file: string) => file.split('/')[3] ?? ''

describe("import '@org/pg-tenant'", () => {
  const loaded = own('packages/pg-tenant/src/index.ts')

  it('loads what a request needs, no administration', () => {
    // How a tenant's own types are read is asked for every result.
    // Where a tenant's schema is, and what it is named, is asked for every scope.
    // A tenant's pool extends the classes of pg, and is not loaded later for that; the linter is a plain function.
    expect(
      loaded.filter((file) => !['pool', 'migrations'].includes(folderOf(file))).length,
    ).toBeLessThanOrEqual(84)
    expect(loaded.length).toBeLessThanOrEqual(104)
    const never = ['admin', 'apps', 'archive', 'doctor', 'offboard', 'stats', 'verify']
    expect(loaded.filter((file) => never.includes(folderOf(file)))).toEqual([])
  })

  it('control: administration has modules of its own to load', () => {
    expect(own('packages/pg-tenant/src/admin.ts').length).toBeGreaterThan(40)
    expect(own('packages/pg-tenant/src/archive/restore/restore.ts').length).toBeGreaterThan(60)
  })
})
