import type { Channel, ChannelName } from './channel.ts'
import type { ChannelConfig } from './settings.ts'

/** Each channel's code comes with its first message: a process that sends mails loads no other SDK. */
const load: Record<ChannelName, (config: ChannelConfig) => Promise<Channel>> = {
  email: async config => (await import('./email.ts')).emailChannel(config),
  sms: async config => (await import('./sms.ts')).smsChannel(config),
  push: async config => (await import('./push.ts')).pushChannel(config),
  pagerduty: async config => (await import('./pagerduty.ts')).pagerdutyChannel(config),
  webhook: async config => (await import('./webhook.ts')).webhookChannel(config),
}

export function channelsOf(config: ChannelConfig): (name: ChannelName) => Promise<Channel> {
  const loaded = new Map<ChannelName, Promise<Channel>>()
  return name => {
    let channel = loaded.get(name)
    if (!channel) {
      channel = load[name](config)
      loaded.set(name, channel)
    }
    return channel
  }
}
