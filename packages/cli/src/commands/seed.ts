import { usage } from '../cli-error.ts'
import { argumentsFrom, type CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { eachTenant } from './each-tenant.ts'
import { allTenants, requireTenant } from './require-tenant.ts'
import { seedOf } from './seed-of.ts'

export const seed: CommandModule<{ readonly all?: boolean }> = {
  arguments: [['[keys...]', 'the tenants']],
  options: [{ flags: '--all', text: 'every active tenant' }],
  examples: [
    ['pg-tenant seed acme', 'runs `seed` of the configuration in one transaction of acme'],
    ['pg-tenant seed --all', 'for everybody; the seed must bear being repeated'],
  ],
  exits:
    'Exits with 1 when it failed for a tenant; nothing of it is kept there. With --json: a line for each tenant.',
  afterStop: 'Run it again: tenants that are done are seeded once more, which a seed must bear.',
  async run(invocation, args, { all = false }) {
    const keys = argumentsFrom(args, 0)
    if (all === (keys !== undefined)) throw usage('Give keys, or --all.')
    const run = seedOf((await invocation.settings()).config)
    const { tenancy, pool } = await invocation.connect()
    const tenants: string[] = [...(keys ?? [])]
    for (const key of tenants) await requireTenant(tenancy, key)
    if (all) for await (const { key } of allTenants(tenancy)) tenants.push(key)
    const { done, failed, stopped } = await eachTenant(invocation, tenants, async (key) => {
      await tenancy.withTenant(key, (db) => run(db, key, { tenancy, pool }))
      return {}
    })
    invocation.output.say(
      `${plural(done - failed, 'tenant')} seeded${failed > 0 ? `, ${failed} failed` : ''}.`,
    )
    if (stopped) return EXIT.interrupted
    return failed > 0 ? EXIT.failed : EXIT.ok
  },
}
