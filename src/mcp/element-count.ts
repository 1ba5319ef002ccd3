/** Whether a JSON value has more than so many items and members, nested ones included. Looks at no more than it must. */
export function hasMoreElements(value: unknown, countMax: number): boolean {
  let count = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null) continue;
    const members = Object.values(next);
    count += members.length;
    if (count > countMax) return true;
    for (const member of members) waiting.push(member);
  }
  return false;
}
