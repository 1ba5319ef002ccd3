export { mayPass, untilAgain, untilAnswered } from "./again.ts";
export { call, cast, event, init, protocol } from "./protocol.ts";
export type {
  CallOptions,
  CallsOf,
  CastsOf,
  EmittersOf,
  EventsOf,
  HandlersOf,
  InitOf,
  Members,
  MessageContext,
  Protocol,
  Ref,
  RefOf,
  SubscribeOptions,
} from "./protocol.ts";
export { actor, type ActorContext, type Behaviour, type Setup } from "./behaviour.ts";
export { CallerEnd, type CallerPlace } from "./caller-end.ts";
export { Connection, createRef } from "./connection.ts";
export { EventStream } from "./event-stream.ts";
export { followActor, type FollowedLife } from "./follow-actor.ts";
export { LinkClient, type Place } from "./link-client.ts";
export { checkHandshake, checkMailbox, createLink, handshakeOf, type Link, type Mailbox } from "./link.ts";
export { unsendable, type Message } from "./outbound.ts";
export { ActorRuntime, threadBells, type ActorServices, type BellOf } from "./runtime.ts";
export { workerModule } from "./worker-module.ts";
