import type { Context, Env, Hono, MiddlewareHandler } from 'hono'
import type { Evaluator } from '../evaluate/evaluator.ts'
import { type RouteReport, reportOn } from '../guard/inventory.ts'
import { mark } from '../guard/mark.ts'
import { type ActionOptions, type GuardOptions, RequestEvaluators } from '../guard/options.ts'
import { routesOf } from './routes.ts'

export type { RouteReport, RouteUse } from '../guard/inventory.ts'
export type { ActionOptions, GuardOptions } from '../guard/options.ts'

/** Guards the routes of a Hono 4 app. Made by {@link createGuard}. */
export interface HonoGuard<E extends Env = Env, Action extends string = string> {
  /**
   * Lets through whoever may do it; else throws FORBIDDEN_ACTION, for `app.onError`. The first handler of its route.
   *
   * @throws TenancyError INVALID_OPTION for an action the catalogue does not have
   */
  requireAction(action: Action, options?: ActionOptions<Context<E>>): MiddlewareHandler<E>
  /** Says that everybody may come here: `/health`, the login. */
  publicRoute(): MiddlewareHandler<E>
  /** What the request's actor may do, for handlers; decided as of the request's first check. */
  evaluatorOf(context: Context<E>): Promise<Evaluator<Action>>
  /**
   * Looks at every route of the app. Call it when all are there, before serving. `app.use` and `app.all` with a handler
   * that takes `next` under a wildcard path (`/*`) is taken for middleware; what it answers by itself is not seen.
   *
   * @throws TenancyError INVALID_OPTION naming the routes that have no action and are not public
   */
  checkRoutes(app: Pick<Hono<E>, 'routes'>): RouteReport
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { toErrorBody } from '@org/core'
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 * import { createGuard } from '@org/rbac/hono'
 * import { Hono } from 'hono'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: {},
 * })
 * // With a store: (c) => store.evaluatorFor({ tenant: c.var.tenant, actor: c.var.actor })
 * const nobody = createEvaluator(catalog, {
 *   tenant: { status: 'active' },
 *   actor: { type: 'user', id: 'u1', status: 'active' },
 *   packages: [],
 * })
 * const guard = createGuard({ catalog, evaluator: async () => nobody })
 * const app = new Hono()
 * app.get('/notes', guard.requireAction('notes.item.read'), (c) => c.json({ data: [] }))
 * app.onError((error, c) => c.json(toErrorBody(error).body, 403))
 * guard.checkRoutes(app) // throws when a route has no action and is not public
 * const { status } = await app.request('/notes')
 * status // → 403
 * ```
 */
export function createGuard<E extends Env, Action extends string>(
  options: GuardOptions<Context<E>, Action>,
): HonoGuard<E, Action> {
  const evaluators = new RequestEvaluators(options)
  return {
    requireAction(action, actionOptions = {}) {
      evaluators.check(action, actionOptions)
      const guard: MiddlewareHandler<E> = async (c, next) => {
        await evaluators.require(c, action, actionOptions)
        await next()
      }
      return mark(guard, { kind: 'action', action })
    },
    publicRoute: () => {
      const open: MiddlewareHandler<E> = (_c, next) => next()
      return mark(open, { kind: 'public' })
    },
    evaluatorOf: (context) => evaluators.of(context),
    checkRoutes: (app) => reportOn(options.catalog, routesOf(app.routes)),
  }
}
