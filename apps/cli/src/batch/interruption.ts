/** What a process tells its caller that ended by Ctrl-C. */
export const interruptedCode = 130;
