import { bold, duration, line, mark } from './print.ts'
import { runDemo } from './run.ts'

// pnpm demo: tours the hub and the site, two tenants kept apart, checks every claim it makes, and exits with 1 if one does not hold.
// ISOLATION=schema pnpm demo shows what the weaker level does not stop; it exits with 1, as it should.

const started = performance.now()
const isolation = process.env.ISOLATION === 'schema' ? 'schema' : 'role'
const { checked, failed } = await runDemo(isolation)
const took = duration(performance.now() - started)

console.log(`\n${bold('Summary')}`)
line(
  failed === 0
    ? `${mark(true)} ${checked} claims checked, all hold, in ${took}`
    : `${mark(false)} ${failed} of ${checked} claims do not hold at isolation level ${isolation}`,
)
line()
line('Next:  pnpm hub                      the hub, its administration page and its reference')
line('       pnpm start                    the site, yours to try with curl')
line('       examples/hono/src/app.ts      how little of it is about tenants')
line('       ISOLATION=schema pnpm demo    what the weaker level does not stop')
if (failed > 0) process.exitCode = 1
