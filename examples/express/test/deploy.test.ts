import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Deployment } from 'kubernetes-models/apps/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { Service } from 'kubernetes-models/v1'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'

const read = (name: string) => readFileSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), 'utf8')
const KINDS = { Deployment, PodDisruptionBudget, Service }

interface Manifest {
  readonly kind: keyof typeof KINDS
  readonly [field: string]: unknown
}

interface Spec {
  readonly selector: unknown
  readonly template?: { readonly metadata: { readonly labels: unknown } }
}

function manifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as Manifest
  })
}

/** What the API server would refuse, by the schemas of Kubernetes' own OpenAPI document. */
function check(manifest: Manifest): void {
  const Kind = KINDS[manifest.kind]
  if (Kind === undefined) throw new Error(`a kind that is not checked: ${String(manifest.kind)}`)
  new Kind(manifest as never).validate()
}

describe('kubernetes.yaml', () => {
  const text = read('kubernetes.yaml')

  it('is what Kubernetes understands', () => {
    const all = manifests(text)
    expect(all.map(({ kind }) => kind)).toEqual([
      'Deployment',
      'Deployment',
      'Service',
      'PodDisruptionBudget',
    ])
    for (const one of all) check(one)
  })

  it.each([
    ['a misspelt field', 'containerPort: 8788', 'containrPort: 8788'],
    ['a number where a text belongs', 'value: "10"', 'value: 10'],
    ['a text where a number belongs', 'replicas: 2', 'replicas: two'],
  ])('would be refused with %s', (_what, good, bad) => {
    const changed = text.replace(good, bad)
    expect(changed).not.toBe(text)
    expect(() => {
      for (const one of manifests(changed)) check(one)
    }).toThrow()
  })

  it('selects its own pods', () => {
    const [deployment, worker, service, budget] = manifests(text).map(({ spec }) => spec as Spec)
    const labels = deployment?.template?.metadata.labels
    expect(labels).toEqual({ 'app.kubernetes.io/name': 'hub' })
    for (const one of [deployment, budget]) expect(one?.selector).toEqual({ matchLabels: labels })
    expect(service?.selector).toEqual(labels)
    // Requests never go to a worker.
    expect(worker?.selector).toEqual({ matchLabels: worker?.template?.metadata.labels })
    expect(worker?.template?.metadata.labels).not.toEqual(labels)
  })

  it('runs as nobody, keeps no secret, and outlives the requests in flight', () => {
    expect(text).toContain('runAsNonRoot: true')
    expect(text).toContain('readOnlyRootFilesystem: true')
    expect(text).not.toMatch(/postgres(ql)?:\/\/|PRIVATE KEY|[0-9a-f]{32}/)
    const patience = Number(/patience = (\d+)_000/.exec(read('src/serve.ts'))?.[1])
    const pause = Number(/command: \[sleep, "(\d+)"\]/.exec(text)?.[1])
    expect(pause, 'routers learn of it meanwhile').toBeGreaterThanOrEqual(5)
    const graces = [...text.matchAll(/terminationGracePeriodSeconds: (\d+)/g)].map(([, grace]) =>
      Number(grace),
    )
    expect(graces).toHaveLength(2)
    for (const grace of graces) expect(grace).toBeGreaterThan(pause + patience)
    expect(text.match(/readOnlyRootFilesystem: true/g)).toHaveLength(2)
    for (const [, program = ''] of text.matchAll(/command: \[node, (\S+)\]/g))
      expect(read(program)).not.toBe('')
  })
})

describe('Dockerfile', () => {
  const text = read('Dockerfile')

  it('takes along what the hub is made of', () => {
    const { files } = JSON.parse(read('package.json')) as { files: string[] }
    expect(files).toEqual(['admin', 'migrations', 'src'])
    expect(text).toContain('pnpm --filter @org/example-express deploy --prod')
  })

  it('pins its image, runs as nobody, and gets signals', () => {
    for (const [, image = ''] of text.matchAll(/^FROM (\S+)/gm))
      expect(image).toMatch(/^node:\d+\.\d+-bookworm-slim$/)
    expect(text.lastIndexOf('\nUSER node\n')).toBeGreaterThan(text.lastIndexOf('\nFROM '))
    expect(text).toMatch(/^CMD \["node", /m)
    expect(text).not.toMatch(/^ARG |SECRET|PASSWORD/m)
  })
})
