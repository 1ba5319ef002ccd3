import { randomUUID } from "node:crypto";
import { followActor, type ActorContext, type HandlersOf, type InitOf, type RefOf } from "../actor/index.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import { checkPeerId } from "../peers/index.ts";
import { Network } from "../peers/network.protocol.ts";
import { PeerRegistry } from "../peers/peers.protocol.ts";
import { Queue } from "../queue/queue.protocol.ts";
import { checkInteger, checkText } from "../schema/index.ts";
import type { Clock } from "../scope/index.ts";
import { openBlobs } from "../store/index.ts";
import { Gate, type KeptGrant } from "./gate.core.ts";
import {
  GRANT_DOMAIN,
  GRANT_TYPE,
  invalid,
  packClaims,
  tokenBytes,
  tokenText,
  type GrantClaims,
} from "./grant-token.ts";
import { OfferedActions } from "./offered-actions.ts";
import { Outlets } from "./outlets.ts";
import { PeerLine } from "./peer-line.ts";
import { PeerViews } from "./peer-views.ts";
import { Pulls } from "./pulls.ts";
import { Reception, openedToken } from "./reception.ts";
import { RemoteFile } from "./remote-file.ts";
import type { Remote } from "./remote.protocol.ts";
import { ServedWork } from "./served-work.ts";
import { Shelf } from "./shelf.ts";

type Context = ActorContext<typeof Remote.members>;
type Init = InitOf<typeof Remote.members>;
type Calls = HandlersOf<typeof Remote.members>;

/** Puts the parts of the actor together, and keeps them listening for as long as it lives. */
export function openRemote(context: Context, init: Init): Calls {
  const { clock, scheduler, log, signal } = context;
  const network = context.ref(Network);
  const queue = context.ref(Queue);
  const registry = context.ref(PeerRegistry);
  const file = new RemoteFile(init.directory, context);
  context.atExit(() => file.abandon());
  const blobs = init.blobDirectory === null ? null : openBlobs({ directory: init.blobDirectory, clock });
  // The cleanups still talk to others when the actor has been asked to stop.
  const ending = new AbortController();
  context.atExit(() => ending.abort(fault("CANCELLED", { what: context.name })));
  // Not a secret: it only tells two lives apart.
  const life = Math.floor(context.random.next() * Number.MAX_SAFE_INTEGER);

  const gate = new Gate({ grants: file.grants(), servedMax: init.servedMax });
  const line = new PeerLine({ network, clock, log, signal });
  const shelf = new Shelf(blobs);
  const pulls = new Pulls({ line, blobs, pieceMs: init.leaseMs });
  const common = { queue, line, shelf, pulls, clock, scheduler, life, signal: ending.signal };
  const served = new ServedWork({ ...common, gate });
  const views: PeerViews = new PeerViews({
    ...{ registry, clock, signal },
    isWanted: (peerId) => outlets.has(peerId),
    onCapabilities: (peerId) => outlets.capable(peerId),
  });
  const outlets = new Outlets({
    ...common,
    log,
    leaseMs: init.leaseMs,
    judge: (peerId, ok, why) => views.judge(peerId, ok, why),
    figuresOf: (peerId) => views.of(peerId),
  });
  const offered = new OfferedActions({ gate, queue, registry, clock, log });
  const look = (peerId: string): void => views.refresh(peerId);
  const reception = new Reception({ network, gate, offered, served, outlets, shelf, clock, life, look });

  context.defer(async () => {
    await Promise.all([served.close(), outlets.close()]);
    await file.close();
  });
  context.reportHealth(() => ({
    on: true,
    outlets: outlets.size,
    served: served.running,
    refused: gate.refusals.counts,
  }));
  void takeUp(file, outlets, line, log);
  void line.listen(reception);
  void outlets.listen();
  void views.listen();
  void followProgress(queue, served, context);
  void offered.tell();
  return {
    ...grantCalls({ context, network, gate, file, served, offered }),
    ...outletCalls({ network, clock, file, line, outlets, views }),
    async authorize({ peerId, tool }) {
      return gate.authorize(peerId, tool, clock.wallNow());
    },
    refusals({ limit }) {
      checkInteger("limit", limit, 1, LIMITS.remote.refusals);
      return { latest: gate.refusals.latest(limit), counts: gate.refusals.counts };
    },
  };
}

type GrantCalls = Pick<Calls, "grant" | "revoke" | "grants">;

function grantCalls({
  context: { clock },
  network,
  gate,
  file,
  served,
  offered,
}: {
  readonly context: Context;
  readonly network: RefOf<typeof Network>;
  readonly gate: Gate;
  readonly file: RemoteFile;
  readonly served: ServedWork;
  readonly offered: OfferedActions;
}): GrantCalls {
  return {
    async grant({ terms: given }) {
      // A token has whole milliseconds.
      const nowMs = Math.floor(clock.wallNow());
      gate.check(given, nowMs);
      // A name that no peer can have would be let in for nothing, and another text of the same name would never match.
      const peerId = checkPeerId("peerId", given.peerId);
      const terms = { ...given, peerId, expiresAtMs: Math.floor(given.expiresAtMs) };
      const { peerId: issuer } = await network.call.figures();
      const grant: KeptGrant = { ...terms, grantId: randomUUID(), issuedAtMs: nowMs, revokedAtMs: null };
      const token = await sealed(network, grant, issuer);
      // On disk first: a token that was handed out must be worth something after a restart.
      const left = gate.leavingFor(grant.peerId, nowMs);
      await file.saveGrant(grant, left);
      gate.put(grant);
      void offered.tell();
      return { grantId: grant.grantId, token };
    },
    async revoke({ peerId: named }) {
      const peerId = checkPeerId("peerId", named);
      const grant = gate.revoke(peerId, clock.wallNow());
      if (grant === null) return { revoked: 0, stopped: 0 };
      // At once, whatever the disk says.
      const stopped = served.revoke(peerId);
      await file.saveGrant(grant);
      void offered.tell();
      return { revoked: 1, stopped };
    },
    grants: () => ({ grants: gate.grants() }),
  };
}

async function sealed(
  network: RefOf<typeof Network>,
  { peerId: audience, ...grant }: KeptGrant,
  issuer: string,
): Promise<string> {
  const payload = packClaims({ ...grant, issuer, audience });
  const { envelope } = await network.call.seal({ domain: GRANT_DOMAIN, payloadType: GRANT_TYPE, payload });
  return tokenText(envelope);
}

function outletCalls({
  network,
  clock,
  file,
  line,
  outlets,
  views,
}: {
  readonly network: RefOf<typeof Network>;
  readonly clock: Clock;
  readonly file: RemoteFile;
  readonly line: PeerLine;
  readonly outlets: Outlets;
  readonly views: PeerViews;
}): Pick<Calls, "use" | "drop" | "outlets"> {
  return {
    async use({ token: text }) {
      checkText("token", text);
      const token = tokenBytes(text);
      const claims = await openedToken(token);
      const { peerId } = await network.call.figures();
      if (claims.audience !== peerId) throw invalid("it is for another node");
      if (claims.issuer === peerId) throw invalid("this node has issued it itself");
      if (claims.expiresAtMs <= clock.wallNow()) throw invalid("its time is over");
      if (!outlets.has(claims.issuer)) outlets.checkRoom();
      await file.saveOutlet({ peerId: claims.issuer, token: text });
      views.refresh(claims.issuer);
      outlets.use(token, claims, line.isConnected(claims.issuer));
      // So that a task may be submitted at once: the queue takes what it knows a worker for.
      await outlets.answered(claims.issuer, ANSWER_MS);
      return outlets.view(claims.issuer);
    },
    async drop({ peerId: named }) {
      const peerId = checkPeerId("peerId", named);
      await file.removeOutlet(peerId);
      const returned = await outlets.drop(peerId);
      if (returned === undefined)
        throw fault("PEER_NOT_FOUND", { peerId, why: "has given this node no token" });
      views.forget(peerId);
      return { returned };
    },
    outlets: () => ({ outlets: outlets.views() }),
  };
}

/** What the last life knew. A token that cannot be read any more is left out, and said. */
async function takeUp(
  file: RemoteFile,
  outlets: Outlets,
  line: PeerLine,
  log: Context["log"],
): Promise<void> {
  for (const { peerId, token: text } of file.outlets()) {
    try {
      const token = tokenBytes(text);
      const claims: GrantClaims = await openedToken(token);
      if (!outlets.has(peerId)) outlets.use(token, claims, line.isConnected(peerId));
    } catch (error) {
      if (!isFault(error)) throw error;
      log.warn("the token of a peer cannot be used any more", { peer: peerId, why: error.message });
    }
  }
}

/** How far attempts of peers are. What is missed while the queue restarts was about attempts that have gone with it. */
async function followProgress(
  queue: RefOf<typeof Queue>,
  served: ServedWork,
  { signal, clock }: Context,
): Promise<void> {
  await followActor(
    queue,
    ({ hear }) =>
      hear(queue.on.attemptProgressed, ({ attemptId, progress, message }) =>
        served.progressed(attemptId, progress, message),
      ),
    { signal, clock },
  );
}

/** Of a peer that is shown its token; whoever hands in a token does not wait longer for that. */
const ANSWER_MS = 2_000;
