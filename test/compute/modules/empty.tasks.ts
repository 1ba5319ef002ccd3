export const nothing = { of: "interest" };
