export { remoteBehaviour } from "./remote.behaviour.ts";
