import type { ServerResponse } from 'node:http'
import { type Code, Rejected, statusOf, Transient, titleOf } from '../errors.ts'

/** An error as its caller sees it: RFC 9457. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: Code
  readonly detail?: string
  readonly instance?: string
  readonly [member: string]: unknown
}

/** A 5xx text never leaves: it may hold what only we should know. */
export function problemOf(error: unknown, requestId?: string): Problem {
  const known = error instanceof Rejected || error instanceof Transient
  const code = known ? error.code : 'internal'
  return {
    ...(error instanceof Rejected && error.details),
    type: `urn:tidemark:problem:${code}`,
    title: titleOf(code),
    status: statusOf(code),
    code,
    ...(error instanceof Rejected && error.message !== titleOf(code) && { detail: error.message }),
    ...(requestId && { instance: `urn:uuid:${requestId}` }),
  }
}

export function sendProblem(response: ServerResponse, error: unknown, requestId?: string): void {
  const problem = problemOf(error, requestId)
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (error instanceof Transient) response.setHeader('retry-after', String(error.retryAfter))
  if (problem.code === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer')
  sendJson(response, problem.status, problem, 'application/problem+json')
}

export const sendJson = (response: ServerResponse, status: number, body: unknown, type = 'application/json'): void =>
  sendText(response, status, JSON.stringify(body), type)

export function sendText(response: ServerResponse, status: number, text: string, type: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
