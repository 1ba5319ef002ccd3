import { peerRegistryBehaviourOver } from "../../../../src/peers/registry/registry.behaviour.ts";

/** Measures in a minute what the real one measures in ten. */
export default peerRegistryBehaviourOver({
  environment: {},
  measureMs: 500,
  pace: { peerMs: 11, anyMs: 11, walledMs: 10_000, answerMs: 2_000 },
});
