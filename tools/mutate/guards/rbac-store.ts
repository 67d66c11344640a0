import { type Guard, guardsIn } from '../guard.ts'

const store = guardsIn('packages/rbac/src/', [['packages/rbac/test/store', 'packages/rbac/test/http']])

export const rbacStoreGuards: readonly Guard[] = [
  store('store/cache.ts', 'age >= 0 && age < this.#parts.maxAge', 'age >= 0 && age <= this.#parts.maxAge'),
  store('store/cache.ts', 'joins && !this.#pending.has(tenant)) return', 'joins) return'),
  store(
    'store/cache.ts',
    'known && this.#isYoung(known) && !this.#pending.has(tenant) ? known.epoch : undefined',
    'known && this.#isYoung(known) ? known.epoch : undefined',
  ),
  store(
    'store/cache.ts',
    'this.#isYoung(known) && known.tick > this.#floor ? known.value',
    'this.#isYoung(known) ? known.value',
  ),
  store('store/pending.ts', ' && !pending.before.has(epoch)', ''),
  store('store/pending.ts', 'started > pending.marked && !pending', '!pending'),
  store('store/tenant-sql.ts', 'if before and not after then', 'if false then'),
  store('store/tenant-sql.ts', "p.effect = 'deny'", 'false'),
  store(
    'store/seed.ts',
    'set seeded_at = now() where e.seeded_at is null returning',
    'set seeded_at = now() returning',
  ),
  store('store/control-sql.ts', 'new.epoch := gen_random_uuid();', ''),
  store('guard/options.ts', "if (evaluator.where(action).op === 'never') throw forbidden(action)", ''),
  store('express/routes.ts', 'if (own !== undefined && layer.slash)', 'if (own !== undefined)'),
  store('hono/routes.ts', 'inner === undefined ? handler : targetOf(inner)', 'handler'),
  store('store/cache.ts', '?? this.#overtaken)', '?? 0)'),
  store('store/cache.ts', ' && !this.#isOvertaken(tenant, running)', ''),
  store(
    'store/cache.ts',
    '{ at: begun.at, tick: this.#tick, epoch',
    '{ at: begun.at, tick: begun.tick, epoch',
  ),
  store('store/cache.ts', '} else if (!this.#isOvertaken(tenant, begun)) {', '} else {'),
  store('store/store.ts', 'return change(db, run, changeOptions)', 'return run()'),
  store(
    'store/coded-control.ts',
    'message, { details: { sqlState: sqlstate } }',
    'message, { details: { sqlState: sqlstate }, cause: error }',
  ),
]
