export const add = { name: "add" };
