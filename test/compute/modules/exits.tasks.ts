// oxlint-disable-next-line unicorn/no-process-exit -- what it is for
process.exit(7);
