import type { FastifyInstance, FastifyRequest, preHandlerAsyncHookHandler, RouteOptions } from 'fastify'
import type { Evaluator } from '../evaluate/evaluator.ts'
import { type RouteReport, type RouteUse, reportOn, routeUse } from '../guard/inventory.ts'
import { mark, markOf } from '../guard/mark.ts'
import { type ActionOptions, type GuardOptions, RequestEvaluators } from '../guard/options.ts'

export type { RouteReport, RouteUse } from '../guard/inventory.ts'
export type { ActionOptions, GuardOptions } from '../guard/options.ts'

/** Guards the routes of a Fastify 5 app. Made by {@link createGuard}. */
export interface FastifyGuard<Action extends string = string> {
  /**
   * Lets through whoever may do it; else throws FORBIDDEN_ACTION, for the error handler. The first `preHandler` of its route.
   *
   * @throws TenancyError INVALID_OPTION for an action the catalogue does not have
   */
  requireAction(action: Action, options?: ActionOptions<FastifyRequest>): preHandlerAsyncHookHandler
  /** Says that everybody may come here: `/health`, the login. */
  publicRoute(): preHandlerAsyncHookHandler
  /** What the request's actor may do, for handlers; decided as of the request's first check. */
  evaluatorOf(request: FastifyRequest): Promise<Evaluator<Action>>
  /**
   * Looks at every route of the app and of what is registered in it. Call it before the first of them: Fastify tells of a
   * route when it is made, and keeps no list. `app.ready()` (and `listen`) then reject with INVALID_OPTION, naming the routes
   * that have no action and are not public.
   *
   * @param then is given what there is, when all of it is guarded
   */
  checkRoutes(app: FastifyInstance, then?: (report: RouteReport) => void): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { toErrorBody } from '@org/core'
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 * import { createGuard } from '@org/rbac/fastify'
 * import Fastify from 'fastify'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: {},
 * })
 * // With a store: ({ tenant, actor }) => store.evaluatorFor({ tenant, actor })
 * const nobody = createEvaluator(catalog, {
 *   tenant: { status: 'active' },
 *   actor: { type: 'user', id: 'u1', status: 'active' },
 *   packages: [],
 * })
 * const guard = createGuard({ catalog, evaluator: async () => nobody })
 * const app = Fastify()
 * app.setErrorHandler((error, _request, reply) => reply.code(403).send(toErrorBody(error).body))
 * guard.checkRoutes(app) // ahead of the routes
 * app.get('/notes', { preHandler: guard.requireAction('notes.item.read') }, async () => ({ data: [] }))
 * const { statusCode } = await app.inject('/notes')
 * statusCode // → 403
 * ```
 */
export function createGuard<Action extends string>(
  options: GuardOptions<FastifyRequest, Action>,
): FastifyGuard<Action> {
  const evaluators = new RequestEvaluators(options)
  return {
    requireAction(action, actionOptions = {}) {
      evaluators.check(action, actionOptions)
      const guard: preHandlerAsyncHookHandler = (request) =>
        evaluators.require(request, action, actionOptions)
      return mark(guard, { kind: 'action', action })
    },
    publicRoute: () => mark((async () => {}) satisfies preHandlerAsyncHookHandler, { kind: 'public' }),
    evaluatorOf: (request) => evaluators.of(request),
    checkRoutes(app, then) {
      const routes: RouteUse[] = []
      app.addHook('onRoute', (route) => void routes.push(...usesOf(route)))
      app.addHook('onReady', async () => {
        const report = reportOn(options.catalog, routes)
        then?.(report)
      })
    },
  }
}

/** The guard has to be the first of the route's own: one behind it might answer before it. */
function usesOf({ method, url, preHandler }: RouteOptions): RouteUse[] {
  const [first] = [preHandler ?? []].flat()
  return [method].flat().map((one) => routeUse(one, url, markOf(first)))
}
