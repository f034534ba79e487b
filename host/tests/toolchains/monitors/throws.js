// Comes to no verdict. componentize-qjs answers `err` with the error's message.
export function run() {
  throw new Error('thrown on purpose');
}
