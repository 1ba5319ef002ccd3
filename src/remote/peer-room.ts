/**
 * What a peer has room for, by its latest word. Its answers and its news come by different streams, and so an older word
 * may be heard after a newer one: each is known by how many messages with tasks the peer had taken in when it said it. Too
 * much is refused and given back, but a room that is there and not known of would stay empty for ever: in doubt the larger
 * one counts.
 */
export class PeerRoom {
  #room = 0;
  #sequence = 0;
  /** Tasks on their way to it, which its word may not count. */
  #onTheWay = 0;
  /** It was heard since it was greeted, and nobody knows what it said first. */
  #isHeard = false;

  get free(): number {
    return Math.max(0, this.#room - this.#onTheWay);
  }

  sent(tasks: number): void {
    this.#onTheWay += tasks;
  }

  /** The message with these has been answered, or given up. */
  settled(tasks: number): void {
    this.#onTheWay -= tasks;
  }

  /** In the answer to a message with tasks: nothing that counts it has been heard before. */
  started(room: number, sequence: number): void {
    if (sequence > this.#sequence) this.#take(room, sequence);
  }

  /** By itself; it says one thing after the other. */
  told(room: number, sequence: number): void {
    if (sequence < this.#sequence) return;
    this.#take(room, sequence);
    this.#isHeard = true;
  }

  /** A greeting is on its way. */
  asked(): void {
    this.#isHeard = false;
  }

  /** In its answer to the greeting. */
  greeted(room: number): void {
    this.#room = this.#isHeard ? Math.max(this.#room, room) : room;
  }

  /** The connection is another one: the peer may count anew. */
  reset(): void {
    this.#sequence = 0;
  }

  #take(room: number, sequence: number): void {
    this.#room = room;
    this.#sequence = sequence;
  }
}
