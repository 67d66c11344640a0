import type { CanActivate, ExecutionContext, INestApplicationContext } from '@nestjs/common'
import { TenancyError } from '@org/core'
import type { Evaluator } from '../evaluate/evaluator.ts'
import { type RouteReport, reportOn } from '../guard/inventory.ts'
import { type ActionOptions, type GuardOptions, RequestEvaluators } from '../guard/options.ts'
import { Handlers } from './handlers.ts'
import type { NestRequest } from './request.ts'
import { routesOf } from './routes.ts'

/** Guards the handlers of a Nest 11 application or later. Made by {@link createGuard}. */
export interface NestGuard<Action extends string = string> extends CanActivate {
  /**
   * A decorator of handlers, and of controllers for all that do not say otherwise: for whoever may do it; anybody else gets
   * FORBIDDEN_ACTION.
   *
   * @throws TenancyError INVALID_OPTION for an action the catalogue does not have
   */
  RequireAction(action: Action, options?: ActionOptions<NestRequest>): ClassDecorator & MethodDecorator
  /** A decorator of what everybody may come to: `/health`, the login. */
  PublicRoute(): ClassDecorator & MethodDecorator
  /** What the request's actor may do, for handlers; decided as of the request's first check. */
  evaluatorOf(request: NestRequest): Promise<Evaluator<Action>>
  /**
   * Looks at every handler of every controller. Call it behind `app.init()`, before `listen`.
   *
   * @throws TenancyError INVALID_OPTION naming those that have no action and are not public
   */
  checkRoutes(app: INestApplicationContext): RouteReport
}

/**
 * One guard for the whole application. A handler that nothing was said of is refused with FORBIDDEN_ACTION, so that one that was
 * forgotten is closed, not open.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 * import { createGuard } from '@org/rbac/nest'
 * import { Controller, Get, Module } from '@nestjs/common'
 * import { APP_GUARD } from '@nestjs/core'
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
 *
 * @Controller('notes')
 * export class Notes {
 *   @Get()
 *   @guard.RequireAction('notes.item.read')
 *   all() {
 *     return { data: [] }
 *   }
 * }
 *
 * // With TenancyModule of @org/pg-tenant/nest among the imports.
 * @Module({ controllers: [Notes], providers: [{ provide: APP_GUARD, useValue: guard }] })
 * export class AppModule {}
 * ```
 */
export function createGuard<Action extends string>(
  options: GuardOptions<NestRequest, Action>,
): NestGuard<Action> {
  const evaluators = new RequestEvaluators(options)
  const handlers = new Handlers<Action>()
  return {
    RequireAction(action, actionOptions = {}) {
      evaluators.check(action, actionOptions)
      return handlers.decorator({ kind: 'action', action, options: actionOptions })
    },
    PublicRoute: () => handlers.decorator({ kind: 'public' }),
    evaluatorOf: (request) => evaluators.of(request),
    async canActivate(context: ExecutionContext): Promise<boolean> {
      const rule = handlers.of(context.getHandler(), context.getClass())
      if (rule?.kind === 'public') return true
      if (rule === undefined || context.getType() !== 'http') throw unsaid()
      const request = context.switchToHttp().getRequest<NestRequest>()
      await evaluators.require(request, rule.action, rule.options)
      return true
    },
    checkRoutes: (app) => reportOn(options.catalog, routesOf(app, handlers)),
  }
}

function unsaid(): TenancyError {
  return new TenancyError('FORBIDDEN_ACTION', 'Nobody has said who may do this.', {
    details: { reason: 'unguarded' },
  })
}
