import { parse } from 'yaml'

/** What a compose file holds; all scalars are texts. */
export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml }

type Mapping = { readonly [key: string]: Yaml }

const TOP = ['name', 'services', 'networks', 'volumes', 'secrets']
const SERVICE = [
  'image',
  'restart',
  'ports',
  'environment',
  'secrets',
  'volumes',
  'networks',
  'healthcheck',
  'depends_on',
  'command',
  'shm_size',
  'stop_grace_period',
]
const HEALTHCHECK = ['test', 'interval', 'timeout', 'retries', 'start_period']
/** A secret in clear, by the name of its variable; `…_FILE` names a file instead. */
const SECRET_NAME = /(PASSWORD|SECRET|TOKEN|KEY)$/
const URL_WITH_PASSWORD = /:\/\/[^/\s:@]+:[^@\s]+@/

/** @throws YAMLParseError at a key that is there twice, and at what is no YAML */
export function parseYaml(source: string): Yaml {
  return parse(source, { schema: 'failsafe', uniqueKeys: true, strict: true })
}

/** What is wrong with a compose file, by the rules of this repository; nothing: an empty list. */
export function composeProblems(file: Yaml): string[] {
  const problems: string[] = []
  const top = mapping(file)
  for (const key of Object.keys(top)) if (!TOP.includes(key)) problems.push(`unknown key ${key}`)
  const services = mapping(top.services)
  if (Object.keys(services).length === 0) problems.push('no services')
  for (const [name, value] of Object.entries(services)) {
    problems.push(...serviceProblems(name, mapping(value), top).map((problem) => `${name}: ${problem}`))
  }
  for (const [name, secret] of Object.entries(mapping(top.secrets))) {
    if (typeof mapping(secret).file !== 'string') problems.push(`secret ${name} does not come from a file`)
  }
  if (URL_WITH_PASSWORD.test(JSON.stringify(file))) problems.push('a URL with a password in it')
  return problems
}

function serviceProblems(name: string, service: Mapping, top: Mapping): string[] {
  const problems: string[] = []
  for (const key of Object.keys(service)) if (!SERVICE.includes(key)) problems.push(`unknown key ${key}`)
  if (!/^[\w./-]+:[\w.-]*\d[\w.-]*$/.test(String(service.image)))
    problems.push('its image is not pinned to a version')
  const health = mapping(service.healthcheck)
  const test = health.test
  if (!Array.isArray(test) || test[0] !== 'CMD') problems.push('no health check')
  for (const key of Object.keys(health))
    if (!HEALTHCHECK.includes(key)) problems.push(`unknown key healthcheck.${key}`)
  for (const port of list(service.ports)) {
    if (!/^127\.0\.0\.1:\d+:\d+$/.test(String(port)))
      problems.push(`port ${String(port)} is not bound to loopback`)
  }
  for (const [key, value] of Object.entries(mapping(service.environment))) {
    if (SECRET_NAME.test(key)) problems.push(`${key} is a secret in clear`)
    if (key.endsWith('_FILE') && !String(value).startsWith('/run/secrets/'))
      problems.push(`${key} is no secret`)
  }
  const declared: readonly [string, readonly Yaml[], Yaml | undefined][] = [
    ['secret', list(service.secrets), top.secrets],
    ['network', list(service.networks), top.networks],
    ['volume', list(service.volumes).map((volume) => String(volume).split(':')[0] ?? ''), top.volumes],
  ]
  for (const [kind, used, known] of declared) {
    for (const one of used) {
      const isPath = kind === 'volume' && /^[./]/.test(String(one))
      if (!isPath && !(String(one) in mapping(known))) problems.push(`${kind} ${String(one)} is not declared`)
    }
  }
  if (
    name === 'postgres' &&
    !list(service.volumes).some((volume) => /^\w+:\/var\/lib\/postgresql$/.test(String(volume)))
  )
    problems.push('its data is not on a volume')
  return problems
}

/** Services that can be reached from outside, or reach out: published ports, or a network that is not internal. */
export function exposedServices(file: Yaml): string[] {
  const top = mapping(file)
  const isInternal = (network: Yaml) => mapping(mapping(top.networks)[String(network)]).internal === 'true'
  return Object.entries(mapping(top.services))
    .filter(([, value]) => {
      const { ports, networks } = mapping(value)
      const own = list(networks)
      return list(ports).length > 0 || own.length === 0 || !own.every(isInternal)
    })
    .map(([name]) => name)
}

function mapping(value: Yaml | undefined): Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {}
}

function list(value: Yaml | undefined): readonly Yaml[] {
  return Array.isArray(value) ? value : []
}
