import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** The metrics of one process; every function has the first two, and adds its own to the same registry. */
export class Metrics {
  readonly registry = new Registry()
  readonly requests: Histogram<'operation' | 'status'>
  readonly inFlight: Gauge
  readonly breakerOpen: Gauge<'to'>

  constructor(service: string) {
    this.registry.setDefaultLabels({ function: service })
    this.requests = this.histogram('tidemark_request_duration_seconds', 'Time from a request or event to its answer.', [
      'operation',
      'status',
    ])
    this.inFlight = this.gauge('tidemark_requests_in_flight', 'Requests and events being worked on.')
    this.breakerOpen = this.gauge('tidemark_breaker_open', 'Whether calls to a function fail at once.', ['to'])
  }

  counter<L extends string = never>(name: string, help: string, labelNames: L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] })
  }

  gauge<L extends string = never>(name: string, help: string, labelNames: L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] })
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    labelNames: L[] = [],
    buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10],
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] })
  }

  /** Process metrics cost a timer and a GC observer: started with the first scrape, not with the process. */
  async text(): Promise<string> {
    if (!this.#processMetrics) {
      this.#processMetrics = true
      collectDefaultMetrics({ register: this.registry })
    }
    return this.registry.metrics()
  }
  #processMetrics = false
}
