import { argument, type CommandModule, DRY_RUN } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { requireTenant } from './require-tenant.ts'

export const resume: CommandModule<{ readonly dryRun?: boolean }> = {
  arguments: [['<key>', 'the tenant']],
  options: [DRY_RUN],
  examples: [['pg-tenant resume acme', 'back into service']],
  async run({ connect, output }, args, { dryRun = false }) {
    const key = argument(args, 0)
    const { tenancy } = await connect()
    const changed = dryRun
      ? (await requireTenant(tenancy, key)).status === 'suspended'
      : await tenancy.resume(key)
    output.document({ tenant: key, status: 'active', changed, dryRun })
    if (!changed) output.say(`${key} was not suspended.`)
    else output.say(dryRun ? `${key} would be in service again.` : `${key} is in service again.`)
    return EXIT.ok
  },
}
