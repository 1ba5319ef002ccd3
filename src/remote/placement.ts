/** A peer that tasks may go to, as far as it is known now. */
export interface Candidate {
  readonly peerId: string;
  /** That it takes, those left out that it has refused lately. */
  readonly actions: readonly string[];
  /** Tasks that it has room for. */
  readonly room: number;
  readonly latencyMs: number | null;
  /** 0 to 1; null = nothing is known. */
  readonly reliability: number | null;
}

/** What a peer is to ask the queue for. */
export interface Wanted {
  readonly peerId: string;
  readonly actions: readonly string[];
  readonly max: number;
}

/** Of a peer that was not measured: neither better nor worse than most. */
const LATENCY_MS = 50;
const RELIABILITY = 0.8;
/** What an exchange that fails costs, against one that takes its time. */
const FAILURE_MS = 2_000;

/**
 * Expected cost of handing a task to a peer, in milliseconds: the way there and back, and what is lost when it fails, as
 * often as it does. Lower is better.
 */
export function costOf({ latencyMs, reliability }: Candidate): number {
  return (latencyMs ?? LATENCY_MS) + (1 - (reliability ?? RELIABILITY)) * FAILURE_MS;
}

/**
 * Which peers ask for tasks now, for which actions and for how many. The best come first; of each action, a peer asks only
 * when no better one has room. So tasks go to the best that have room, and a worse peer gets what is left over. Whatever
 * the own pool takes it has taken already.
 */
export function placed(candidates: readonly Candidate[]): Wanted[] {
  const ranked = candidates
    .filter(({ room }) => room > 0)
    .map((candidate) => ({ candidate, cost: costOf(candidate) }))
    .toSorted((a, b) => a.cost - b.cost || (a.candidate.peerId < b.candidate.peerId ? -1 : 1));
  const taken = new Set<string>();
  return ranked.flatMap(({ candidate: { peerId, actions, room } }) => {
    const wanted = actions.filter((action) => !taken.has(action));
    for (const action of wanted) taken.add(action);
    return wanted.length === 0 ? [] : { peerId, actions: wanted, max: room };
  });
}
