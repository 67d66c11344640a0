import { attach } from './attach.ts'
import { reason, TestPostgresError } from './error.ts'
import { checkedKey, TEST_SETTINGS } from './settings.ts'
import type { PostgresServer } from './types.ts'

const PORT = 5432
const SHARED_MEMORY_BYTES = 256 * 1024 * 1024

type TestContainers = typeof import('testcontainers')

/** Undefined if the optional peer is not installed. */
export async function loadTestContainers(): Promise<TestContainers | undefined> {
  try {
    return await import('testcontainers')
  } catch {
    return undefined
  }
}

/**
 * Runs the official image. Testcontainers' own reaper removes the container if this process dies.
 * @throws TestPostgresError `POSTGRES_START_FAILED`
 */
export async function startDocker(
  { GenericContainer, Wait }: TestContainers,
  major: number,
  settings: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const flags = Object.entries({ ...TEST_SETTINGS, ...settings }).flatMap(([key, value]) => [
    '-c',
    `${checkedKey(key)}=${value}`,
  ])
  const image = `postgres:${major}`
  const container = await new GenericContainer(image)
    .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
    .withCommand(['postgres', ...flags])
    .withExposedPorts(PORT)
    .withSharedMemorySize(SHARED_MEMORY_BYTES)
    // The image starts a server twice: once to initialise, once for good.
    .withWaitStrategy(
      Wait.forAll([Wait.forLogMessage(/ready to accept connections/, 2), Wait.forListeningPorts()]),
    )
    .start()
    .catch((error: unknown) => {
      throw new TestPostgresError(
        'POSTGRES_START_FAILED',
        `container ${image} did not start: ${reason(error)}`,
        {
          cause: error,
        },
      )
    })
  let stopped: Promise<void> | undefined
  return await attach(
    `postgres://postgres@${container.getHost()}:${container.getMappedPort(PORT)}/postgres`,
    {
      source: 'docker',
      stop() {
        stopped ??= container.stop().then(() => undefined)
        return stopped
      },
    },
  )
}
