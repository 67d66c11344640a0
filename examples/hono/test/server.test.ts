import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { Hono } from 'hono'
import { expect, it, onTestFinished } from 'vitest'
import { serveApp } from '../src/server.ts'

const A_DAY = 86_400_000

/** An app whose `GET /` answers when told to. */
function slowApp() {
  const arrived = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const app = new Hono().get('/', async (c) => {
    arrived.resolve()
    await answer.promise
    return c.text('answered')
  })
  return { app, arrived: arrived.promise, answer: answer.resolve }
}

/** A request on a connection that the client would like to keep. */
function get(port: number) {
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const sent = request({ host: '127.0.0.1', port, agent }).end()
  return once(sent, 'response') as Promise<[IncomingMessage]>
}

it('answers what is in flight, says that it was the last answer, and waits for nobody who asks nothing', async () => {
  const { app, arrived, answer } = slowApp()
  const server = await serveApp(app, { patience: A_DAY })
  const silent = connect(server.port, '127.0.0.1').on('error', () => {})
  await once(silent, 'connect')
  const inFlight = get(server.port)
  await arrived
  const closed = server.close()
  answer()
  const [response] = await inFlight
  expect(response.headers.connection).toBe('close')
  expect(await response.setEncoding('utf8').toArray()).toEqual(['answered'])
  await closed
})

it('says so too to who asks while it closes, on a connection that was there before', async () => {
  const { app, arrived, answer } = slowApp()
  const alsoArrived = Promise.withResolvers<void>()
  const alsoAnswer = Promise.withResolvers<void>()
  app.get('/late', async (c) => {
    alsoArrived.resolve()
    await alsoAnswer.promise
    return c.text('late')
  })
  const server = await serveApp(app, { patience: A_DAY })
  const late = connect(server.port, '127.0.0.1').setEncoding('utf8')
  await once(late, 'connect')
  late.write('GET /late HTTP/1.1\r\nHost: localhost\r\n')
  const inFlight = get(server.port)
  await arrived
  const closed = server.close()
  late.write('\r\n')
  await alsoArrived.promise
  alsoAnswer.resolve()
  const [text] = await once(late, 'data')
  expect(text).toMatch(/^connection: close\r$/im)
  answer()
  await inFlight
  late.destroy()
  await closed
})

it('closes at once when nothing is in flight', async () => {
  const server = await serveApp(slowApp().app, { patience: A_DAY })
  const silent = connect(server.port, '127.0.0.1').on('error', () => {})
  await once(silent, 'connect')
  await server.close()
})

it('cuts off what does not finish in time', async () => {
  const { app, arrived } = slowApp()
  const server = await serveApp(app, { patience: 1 })
  const inFlight = get(server.port)
  const outcome = inFlight.then(
    () => 'answered',
    () => 'cut off',
  )
  await arrived
  await server.close()
  expect(await outcome).toBe('cut off')
})

it('rejects when the port is taken', async () => {
  const first = await serveApp(slowApp().app)
  await expect(serveApp(slowApp().app, { port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await first.close()
})
