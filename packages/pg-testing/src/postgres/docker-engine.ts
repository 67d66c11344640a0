import { existsSync } from 'node:fs'
import { type RequestOptions, request } from 'node:http'

const PROBE_TIMEOUT_MS = 1000
const SOCKET = '/var/run/docker.sock'

/** Where an engine would listen: DOCKER_HOST, else the usual socket if there is one. */
function endpoint(): RequestOptions | undefined {
  const host = process.env.DOCKER_HOST
  if (!host) return existsSync(SOCKET) ? { socketPath: SOCKET } : undefined
  if (!URL.canParse(host)) return undefined
  const url = new URL(host)
  if (url.protocol === 'unix:') return { socketPath: url.pathname }
  return url.protocol === 'tcp:' || url.protocol === 'http:'
    ? { host: url.hostname, port: url.port || 2375 }
    : undefined
}

/** Whether a Docker engine answers, within a second; far cheaper than importing testcontainers to find out. */
export async function dockerAnswers(): Promise<boolean> {
  const where = endpoint()
  if (!where) return false
  return await new Promise((resolve) => {
    const ping = request({ ...where, path: '/_ping', timeout: PROBE_TIMEOUT_MS }, (response) => {
      response.resume()
      // 400 is an engine that wants TLS; testcontainers knows how.
      resolve((response.statusCode ?? 500) <= 400)
    })
    ping.once('timeout', () => ping.destroy(new Error('timeout')))
    ping.once('error', () => resolve(false))
    ping.end()
  })
}
