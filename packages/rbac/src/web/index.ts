import type { Evaluator } from '../evaluate/evaluator.ts'
import { type ActionOptions, type GuardOptions, RequestEvaluators } from '../guard/options.ts'

export type { ActionOptions, GuardOptions } from '../guard/options.ts'

/** What a request came with: `tenantHandler` of `@org/pg-tenant/web` gives `{ tenant, actor, tenancy, … }`. */
export interface WebCall<Its extends object> {
  readonly request: Request
  readonly its: Its
}

type Handler<Its extends object, Rest extends readonly unknown[]> = (
  request: Request,
  its: Its,
  ...rest: Rest
) => Response | Promise<Response>

/** Guards handlers of Web requests: Next, Bun, Deno. Made by {@link createGuard}. */
export interface WebGuard<Its extends object, Action extends string = string> {
  /**
   * The handler, for whoever may do it; anybody else gets FORBIDDEN_ACTION, thrown for what is around it.
   *
   * @throws TenancyError INVALID_OPTION for an action the catalogue does not have
   */
  requireAction<Rest extends readonly unknown[]>(
    action: Action,
    handler: Handler<Its, Rest>,
    options?: ActionOptions<WebCall<Its>>,
  ): Handler<Its, Rest>
  /** What the request's actor may do, for handlers; decided as of the request's first check. */
  evaluatorOf(its: Its): Promise<Evaluator<Action>>
}

/**
 * There is no `checkRoutes`: routes are files or a `switch`, and nobody has a list of them.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { type TenantRequest, tenantHandler } from '@org/pg-tenant/web'
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 * import { createGuard } from '@org/rbac/web'
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
 * const guard = createGuard({ catalog, evaluator: async (_its: TenantRequest) => nobody })
 * const handle = tenantHandler(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } })
 *
 * export const GET = handle(
 *   guard.requireAction('notes.item.read', async (_request, { tenancy }) => {
 *     const { rows } = await tenancy.query('select id, body from notes')
 *     return Response.json({ data: rows })
 *   }),
 * )
 * const { status } = await GET(new Request('http://localhost/notes', { headers: { authorization: 'Bearer acme' } }))
 * status // → 403
 * ```
 */
export function createGuard<Its extends object, Action extends string>(
  options: GuardOptions<Its, Action>,
): WebGuard<Its, Action> {
  const evaluators = new RequestEvaluators(options)
  return {
    requireAction(action, handler, actionOptions = {}) {
      evaluators.check(action, actionOptions)
      const { resource, onSomeRecords } = actionOptions
      return async (request, its, ...rest) => {
        const about = resource && { resource: () => resource({ request, its }) }
        await evaluators.require(its, action, { onSomeRecords, ...about })
        return await handler(request, its, ...rest)
      }
    },
    evaluatorOf: (its) => evaluators.of(its),
  }
}
