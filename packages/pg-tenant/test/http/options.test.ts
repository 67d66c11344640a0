import { describe, expect, it } from 'vitest'
import { provisionDatabase } from '../../src/apps/provision-database.ts'
import { tenant as expressTenant } from '../../src/express/index.ts'
import { tenant as fastifyTenant } from '../../src/fastify/index.ts'
import { tenant as honoTenant } from '../../src/hono/index.ts'
import { createFleet, loadMigrations } from '../../src/index.ts'
import { tenantHandler } from '../../src/web/index.ts'

/** What calls are given in JavaScript, where no compiler looks. */
const misspelt = (name: string): never => ({ [name]: 1 }) as never

const unused = misspelt('nothing')

describe('a misspelt option', () => {
  it.each([
    ['onAcess', 'onAccess', async () => expressTenant(unused, misspelt('onAcess'))],
    ['onAcess', 'onAccess', async () => fastifyTenant(unused, misspelt('onAcess'))],
    ['onAcess', 'onAccess', async () => honoTenant(unused, misspelt('onAcess'))],
    ['peers', 'peer', async () => honoTenant(unused, misspelt('peers'))],
    ['peers', 'peer', async () => tenantHandler(unused, misspelt('peers'))],
    ['conectionLimit', 'connectionLimit', () => provisionDatabase(unused, misspelt('conectionLimit'))],
    ['unqualfy', 'unqualify', () => loadMigrations('nowhere', misspelt('unqualfy'))],
    ['defaultPlacment', 'defaultPlacement', async () => createFleet(misspelt('defaultPlacment'))],
  ])('%s is told by name, with %s', async (option, nearest, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option, nearest } })
  })

  it('is refused where it belongs to another adapter', () => {
    expect(() => expressTenant(unused, misspelt('peer'))).toThrow('There is no option "peer".')
  })
})
