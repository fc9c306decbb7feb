// Imported with the first message or callback: its names survive bundling only through a static import.
import twilio from 'twilio'

export const { Twilio, RequestClient, RestException, validateRequest } = twilio
