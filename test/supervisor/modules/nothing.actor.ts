/** A module that holds no behaviour. */
export default { protocol: undefined };
