// Never ends: only the host's limits stop it.
export function run() {
  while (true) {}
}
