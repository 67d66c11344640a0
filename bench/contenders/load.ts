import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { Contender, LoadJob, Prepared, Said, Usage } from '../../examples/express/bench/job.ts'

const CHILD = new URL('../../examples/express/bench/load.child.ts', import.meta.url)

/** One way of serving the list of users, in a process of its own. */
export interface LoadServer {
  readonly who: Contender
  readonly pid: number
  /** How long each request took, in milliseconds, in the order they were answered. */
  readonly latencies: number[]
  /** One request of the next tenant. */
  request(): Promise<void>
  usage(): Promise<Usage>
  stop(): Promise<void>
}

export async function prepareTenants(environment: NodeJS.ProcessEnv, tenants: number): Promise<Prepared> {
  const child = start({ do: 'prepare', environment, tenants })
  return (await answerOf(child)) as Prepared
}

/**
 * @param tokens one for each tenant; they take turns
 * @param sockets at most so many requests at once
 */
export async function startServer(
  who: Contender,
  environment: NodeJS.ProcessEnv,
  tokens: readonly string[],
  sockets: number,
): Promise<LoadServer> {
  const child = start({ do: 'serve', environment, who })
  const { port } = (await answerOf(child)) as Extract<Said, { port: number }>
  const agent = new Agent({ keepAlive: true, maxSockets: sockets })
  const latencies: number[] = []
  let turn = 0
  return {
    who,
    pid: child.pid ?? 0,
    latencies,
    request: async () => {
      const token = tokens[turn++ % tokens.length]
      const began = performance.now()
      await listUsers(agent, port, String(token))
      latencies.push(performance.now() - began)
    },
    usage: async () => {
      child.send('usage')
      return ((await answerOf(child)) as Extract<Said, { usage: Usage }>).usage
    },
    stop: async () => {
      agent.destroy()
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

/** Fails unless it is a page of users: a refusal would be fast. */
function listUsers(agent: Agent, port: number, token: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const headers = { authorization: `Bearer ${token}` }
  const request = get({ agent, host: '127.0.0.1', port, path: '/v1/users?limit=20', headers }, (answer) => {
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    answer.on('error', reject)
    answer.on('end', () => {
      if (answer.statusCode === 200 && bytes > 3_000) resolve()
      else reject(new Error(`a list was answered with ${answer.statusCode} and ${bytes} bytes`))
    })
  })
  request.on('error', reject)
  return promise
}

function start(job: LoadJob): ChildProcess {
  return fork(CHILD, [JSON.stringify(job)], {
    execArgv: ['--conditions=@org/source', '--disable-warning=ExperimentalWarning', '--expose-gc'],
    // Log lines are written, as they are in service, but nobody reads them.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the load test ended with ${code}`)
  })
  ended.catch(() => {})
  const [answer] = await Promise.race([once(child, 'message'), ended])
  return answer
}
