# One GET through the host's own import. The module may not have the name of the world (`monitor`).
import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import console, env, fetch, params


TARGET_FAULTS = (
    fetch.FetchError_Dns,
    fetch.FetchError_ConnectionRefused,
    fetch.FetchError_ConnectionReset,
    fetch.FetchError_Connect,
    fetch.FetchError_Tls,
    fetch.FetchError_Timeout,
    fetch.FetchError_TooManyRedirects,
    fetch.FetchError_Protocol,
)


class WitWorld(wit_world.WitWorld):
    def run(self) -> wit_world.Verdict:
        asked = json.loads(params.get())
        console.log(console.Level.INFO, f"GET {asked['url']}")
        request = fetch.Request("GET", asked["url"], [], None, fetch.RedirectMode.FOLLOW, None)
        try:
            status = fetch.send(request).status
        except Err as error:
            reason = error.value
            if isinstance(reason, TARGET_FAULTS):
                return wit_world.Verdict(False, None, f"no answer: {reason}", None)
            # `run` may only fail with a string. Left alone, the variant traps the component.
            if isinstance(reason, fetch.FetchError_Denied):
                raise Err(f"[fetch_denied] no answer: {reason.value}")
            raise Err(f"no answer: {reason}")
        message = f"status {status}"
        if "env" in asked:
            message += f" {env.get(asked['env'])}"
        return wit_world.Verdict(status == 200, None, message, json.dumps({"status": status}))
