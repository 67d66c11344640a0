import { type DestinationStream, type Logger, pino } from 'pino'

/** One line of JSON for each event: `level`, `timestamp`, `message`, and what it is about. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    messageKey: 'message',
    base: null,
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}
