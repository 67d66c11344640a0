import { createMongoAbility } from '@casl/ability'
import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import { AccessControl } from 'accesscontrol'
import { newEnforcer, newModelFromString } from 'casbin'
import { makeCatalog } from '../../src/catalog/define.ts'
import { type Catalog, createEvaluator, type Evaluator, type Snapshot } from '../../src/index.ts'

/** The same grants for every contender: to one user, over ten groups. */
export interface Grants {
  readonly keys: readonly string[]
  readonly catalog: Catalog
  /** As a store hands it over: parsed JSON. */
  readonly snapshot: Snapshot
  /** Granted actions in an order that has nothing to do with the one they were granted in. */
  readonly asked: readonly string[]
}

const TOOLS = 20
const RESOURCES = 50
const GROUPS = 10
const ASKED = 1_024
/** A prime: every action comes up before one comes up again. */
const STRIDE = 7_919

/** @param times how often each action is granted, by as many groups more */
export function grantsOf(actions: number, times = 1): Grants {
  const keys = Array.from({ length: actions }, (_, at) => {
    const resource = Math.floor(at / TOOLS) % RESOURCES
    return `tool${at % TOOLS}.resource${resource}.verb${Math.floor(at / TOOLS / RESOURCES)}`
  })
  const tools = Array.from({ length: TOOLS }, (_, at) => `tool${at}`)
  const catalog = makeCatalog({
    tools: Object.fromEntries(tools.map((tool) => [tool, { name: tool }])),
    actions: Object.fromEntries(keys.map((key) => [key, { name: key, kind: 'write' as const }])),
    packages: { all: { name: 'all', actions: tools.map((tool) => `${tool}.*`) } },
  })
  const groups = Array.from({ length: GROUPS * times }, (_, group) => ({
    name: `group ${group}`,
    status: 'active',
    permissions: keys.filter((_, at) => at % GROUPS === group % GROUPS).map((action) => ({ action })),
  }))
  const loaded: unknown = {
    tenant: { status: 'active' },
    actor: { type: 'user', id: 'ana', status: 'active' },
    packages: [{ key: 'all', status: 'active', assignedAt: '2026-01-01T00:00:00Z' }],
    groups,
  }
  const asked = Array.from({ length: ASKED }, (_, at) => keys[(at * STRIDE) % actions] as string)
  return { keys, catalog, snapshot: JSON.parse(JSON.stringify(loaded)), asked }
}

/** The three parts of a key as others want them: the verb, and what it is done to. */
const split = (key: string) => {
  const at = key.lastIndexOf('.')
  return { verb: key.slice(at + 1), subject: key.slice(0, at) }
}

export const buildOurs = ({ catalog, snapshot }: Grants): Evaluator => createEvaluator(catalog, snapshot)

export const caslRules = ({ keys }: Grants) =>
  keys.map((key) => ({ action: split(key).verb, subject: split(key).subject }))

export const buildCasl = (rules: ReturnType<typeof caslRules>) => createMongoAbility(rules)

/** One check of each, of the grant at a position of `asked`. */
export type Check = (at: number) => boolean

export function caslCheck(grants: Grants): Check {
  const ability = buildCasl(caslRules(grants))
  const asked = grants.asked.map(split)
  return (at) => ability.can(asked[at]?.verb ?? '', asked[at]?.subject ?? '')
}

/** casbin, with the model its documentation has for RBAC without roles of resources. */
export async function casbinCheck(grants: Grants): Promise<Check> {
  const enforcer = await newEnforcer(
    newModelFromString(`
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act`),
  )
  await enforcer.addPolicies(grants.keys.map((key) => ['ana', split(key).subject, split(key).verb]))
  const asked = grants.asked.map(split)
  return (at) => enforcer.enforceSync('ana', asked[at]?.subject, asked[at]?.verb)
}

/** Cedar, its policies parsed beforehand; one policy for each group, as a careful user would write them. */
export function cedarCheck(grants: Grants): Check {
  const policies = (grants.snapshot.groups ?? []).map(({ permissions }) => {
    const actions = permissions.map(({ action }) => `Action::"${action}"`).join(', ')
    return `permit(principal == User::"ana", action in [${actions}], resource);`
  })
  const id = `bench ${grants.keys.length}`
  const parsed = preparsePolicySet(id, { staticPolicies: policies.join('\n') })
  if (parsed.type === 'failure') throw new Error('Cedar does not read its policies')
  return (at) => {
    const answer = statefulIsAuthorized({
      principal: { type: 'User', id: 'ana' },
      action: { type: 'Action', id: grants.asked[at] ?? '' },
      resource: { type: 'Record', id: 'r' },
      context: {},
      preparsedPolicySetId: id,
      entities: [],
    })
    return answer.type === 'success' && answer.response.decision === 'allow'
  }
}

export function accessControlCheck(grants: Grants): Check {
  const list = grants.keys.map((key) => ({
    role: 'ana',
    resource: split(key).subject.replace('.', '-'),
    action: `${split(key).verb}:any`,
    attributes: ['*'],
  }))
  const control = new AccessControl(list)
  const asked = grants.asked.map((key) => ({
    verb: split(key).verb,
    resource: split(key).subject.replace('.', '-'),
  }))
  return (at) => {
    const { verb = '', resource = '' } = asked[at] ?? {}
    return control.can('ana').do(`${verb}:any`, resource).granted
  }
}
