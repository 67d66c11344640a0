import type { Request, RequestHandler } from 'express'
import type { Evaluator } from '../evaluate/evaluator.ts'
import { type RouteReport, reportOn } from '../guard/inventory.ts'
import { mark } from '../guard/mark.ts'
import { type ActionOptions, type GuardOptions, RequestEvaluators } from '../guard/options.ts'
import { routesOf } from './routes.ts'

export type { RouteReport, RouteUse } from '../guard/inventory.ts'
export type { ActionOptions, GuardOptions } from '../guard/options.ts'

/** Guards the routes of an Express 5 app. Made by {@link createGuard}. */
export interface ExpressGuard<Action extends string = string> {
  /**
   * Lets through whoever may do it; else `next(FORBIDDEN_ACTION)`. The first handler of its route.
   *
   * @throws TenancyError INVALID_OPTION for an action the catalogue does not have
   */
  requireAction(action: Action, options?: ActionOptions<Request>): RequestHandler
  /** Says that everybody may come here: `/health`, the login. */
  publicRoute(): RequestHandler
  /** What the request's actor may do, for handlers; decided as of the request's first check. */
  evaluatorOf(request: Request): Promise<Evaluator<Action>>
  /**
   * Looks at every route of the app (or router). Call it when all are there, before `listen`. What `app.use` answers by
   * itself (static files, a proxy) is no route and is not seen.
   *
   * @throws TenancyError INVALID_OPTION naming the routes that have no action and are not public
   */
  checkRoutes(app: RequestHandler): RouteReport
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 * import { createGuard } from '@org/rbac/express'
 * import express from 'express'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: {},
 * })
 * // With a store: (req) => store.evaluatorFor({ tenant: req.tenant, actor: req.actor })
 * const nobody = createEvaluator(catalog, {
 *   tenant: { status: 'active' },
 *   actor: { type: 'user', id: 'u1', status: 'active' },
 *   packages: [],
 * })
 * const guard = createGuard({ catalog, evaluator: async () => nobody })
 * const app = express()
 * app.get('/health', guard.publicRoute(), (_req, res) => void res.json({ ok: true }))
 * app.get('/notes', guard.requireAction('notes.item.read'), (_req, res) => void res.json({ data: [] }))
 * guard.checkRoutes(app) // throws when a route has neither
 * ```
 */
export function createGuard<Action extends string>(
  options: GuardOptions<Request, Action>,
): ExpressGuard<Action> {
  const evaluators = new RequestEvaluators(options)
  return {
    requireAction(action, actionOptions = {}) {
      evaluators.check(action, actionOptions)
      const guard: RequestHandler = (req, _res, next) => {
        evaluators.require(req, action, actionOptions).then(() => next(), next)
      }
      return mark(guard, { kind: 'action', action })
    },
    publicRoute: () => mark(((_req, _res, next) => next()) satisfies RequestHandler, { kind: 'public' }),
    evaluatorOf: (request) => evaluators.of(request),
    checkRoutes: (app) => reportOn(options.catalog, routesOf(app)),
  }
}
