import { type RouteUse, routeUse } from '../guard/inventory.ts'
import { markOf, type RouteMark } from '../guard/mark.ts'

/** What is read of a layer of Express 5 (`router` 2): a route, a router, or middleware. */
interface Layer {
  readonly handle?: unknown
  /** What it was mounted at, since `router` 2.2; else `undefined`. */
  readonly rawPath?: unknown
  /** Mounted at `/`: it runs for every path of its router. */
  readonly slash?: boolean
  readonly method?: string | undefined
  readonly route?: { readonly path: unknown; readonly stack: readonly Layer[] } | undefined
}

/** Every route of an app or router, in the order they are tried. */
export function routesOf(router: unknown): RouteUse[] {
  return walk(stackOf(router) ?? [], '', undefined)
}

function walk(stack: readonly Layer[], prefix: string, inherited: RouteMark | undefined): RouteUse[] {
  const found: RouteUse[] = []
  let above = inherited
  for (const layer of stack) {
    const own = markOf(layer.handle)
    const nested = stackOf(layer.handle)
    // Only what runs for every path guards the routes behind it.
    if (own !== undefined && layer.slash) above = stricter(above, own)
    else if (layer.route) found.push(...usesOf(layer.route, prefix, above))
    else if (nested) found.push(...walk(nested, prefix + pathOf(layer), above))
  }
  return found
}

function usesOf(
  route: { readonly path: unknown; readonly stack: readonly Layer[] },
  prefix: string,
  above: RouteMark | undefined,
): RouteUse[] {
  const methods = [...new Set(route.stack.map(({ method }) => method ?? 'all'))]
  return methods.map((method) => {
    // What runs for this method, in order: the guard has to be first, or something might answer before it.
    const [first] = route.stack.filter((layer) => layer.method === undefined || layer.method === method)
    return routeUse(method, prefix + textOf(route.path), stricter(above, markOf(first?.handle)))
  })
}

/** An action asked for on the way is asked for, whatever else says that everybody may come. */
function stricter(above: RouteMark | undefined, own: RouteMark | undefined): RouteMark | undefined {
  if (own?.kind === 'action') return own
  return above?.kind === 'action' ? above : (own ?? above)
}

function stackOf(value: unknown): readonly Layer[] | undefined {
  if (typeof value !== 'function') return undefined
  // An app has its router behind a getter; a router has its stack.
  const { router, stack } = value as { router?: { stack?: unknown }; stack?: unknown }
  const layers = router?.stack ?? stack
  return Array.isArray(layers) ? layers : undefined
}

function pathOf({ rawPath, slash }: Layer): string {
  if (slash) return ''
  return rawPath === undefined ? '/…' : textOf(rawPath)
}

const textOf = (path: unknown): string => (Array.isArray(path) ? path.map(String).join('|') : String(path))
