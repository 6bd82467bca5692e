# What a program on requests-oauth2client does. Takes {issuer, device, clientId, key, redirectUri, scope, algorithm, urls}
# as one line of JSON on stdin, and then a line for each page that it asks to be visited: where the user came out. Prints
# a line of JSON for each page, {visit}, and at last what it was told. With a key (JWK) it is a service, else a user's app.

import json
import sys

import requests
from requests_oauth2client import DPoPKey, OAuth2Client

task = json.loads(sys.stdin.readline())
client = OAuth2Client.from_discovery_endpoint(
    issuer=task["issuer"],
    device_authorization_endpoint=task.get("device"),
    client_id=task["clientId"],
    private_key=task.get("key"),
    redirect_uri=task.get("redirectUri"),
    dpop_bound_access_tokens=True,
    dpop_alg=task["algorithm"],
    testing=True,  # plain http
)


def visited(page):
    print(json.dumps({"visit": str(page)}), flush=True)
    return sys.stdin.readline().strip()


def by_code(pushed):
    asked = client.authorization_request(scope=task["scope"])
    came_out = visited(client.pushed_authorization_request(asked).uri if pushed else asked.uri)
    # Not validated here: in this version that loses the key of a token which has an ID token beside it.
    return client.authorization_code(asked.validate_callback(came_out), validate=False)


def by_device():
    begun = client.authorize_device(scope=task["scope"])
    visited(begun.verification_uri_complete)
    return client.device_code(begun, dpop=True, dpop_key=DPoPKey.generate(task["algorithm"]))


def of_user():
    tokens = {"code": by_code(False), "pushed": by_code(True), "device": by_device()}
    refreshed = client.refresh_token(tokens["code"])
    told = {name: token.token_type for name, token in tokens.items()}
    return told | {
        "refreshed": [refreshed.token_type, refreshed.dpop_key == tokens["code"].dpop_key],
        "subject": client.userinfo(refreshed)["sub"],
        "bound": client.introspect_token(refreshed)["cnf"]["jkt"] == refreshed.dpop_key.dpop_jkt,
        "calls": calls(refreshed),
        "revoked": client.revoke_refresh_token(refreshed),
    }


def of_service():
    token = client.client_credentials(scope=task["scope"])
    return {"service": token.token_type, "calls": calls(token)}


def calls(token):
    # With a body that is streamed, as with one that is not there, the answer to a challenge comes with the token.
    statuses = [requests.get(url, auth=token).status_code for url in task["urls"]]
    return statuses + [requests.post(task["urls"][-1], data=b"x" * 100_000, auth=token).status_code]


print(json.dumps(of_service() if "key" in task else of_user()), flush=True)
