import { TenancyError } from '@org/core'
import { provisionDatabase } from '@org/pg-tenant/admin'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { isSecret } from '../http/secret.ts'
import type { Hub } from '../hub/open-hub.ts'
import { WHO_HAS_THE_KEY } from '../hub/platform.ts'

/** A database of its own for an app, by whoever has the key of the environment. Its body has no envelope, by contract. */
export function provisionRoutes({ config, adminPool }: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'post',
      path: '/provision',
      access: 'open',
      records: 'platform.databases.create',
      creates: 'secret',
      summary: 'A database and a restricted user for an app; the connection string is shown this once',
      tag: 'Databases for apps',
      body: z.strictObject({
        app_name: z.string().regex(/^[a-z0-9_]{3,32}$/),
        admin_key: z.string().min(1).max(200),
      }),
      status: 201,
      bare: true,
      data: z.object({ connection_string: z.string() }),
      errors: ['UNAUTHORIZED', 'DUPLICATE_RESOURCE', 'DATABASE_ERROR', 'CONFLICT'],
      handle: async ({ body, announce, operate, reference }) => {
        if (!isSecret(body.admin_key, config.PROVISION_ADMIN_KEY)) {
          throw new TenancyError('UNAUTHORIZED', 'The admin key is not accepted.')
        }
        const what = { actor: WHO_HAS_THE_KEY, entity: { type: 'app_database', id: body.app_name } }
        await announce(undefined, what)
        return await operate(undefined, async (_tx, trail) => {
          const { connection } = await provisionDatabase(adminPool, { app: body.app_name })
          trail.record(what)
          reference(body.app_name)
          return { connection_string: connection.url }
        })
      },
    }),
  ]
}
