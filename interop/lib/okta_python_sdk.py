# What a program on Okta's SDK for Python does. Takes {url, clientId, privateKey, keyId, scopes, calls} as JSON on
# stdin, the key as PEM; prints as JSON what the SDK told it. With calls, it lists users so many times and nothing else.

import asyncio
import json
import sys

from okta.client import Client
from okta.pagination import paginate_all

task = json.load(sys.stdin)
client = Client(
    {
        "orgUrl": task["url"],
        "authorizationMode": "PrivateKey",
        "clientId": task["clientId"],
        "privateKey": task["privateKey"],
        "kid": task["keyId"],
        "scopes": task["scopes"],
        "dpopEnabled": True,
    }
)


async def repeated(times):
    sizes = []
    for _ in range(times):
        users, _, error = await client.list_users(limit=1)
        raise_if(error)
        sizes.append(len(users))
    return {"sizes": sizes}


async def whole_life():
    listed = [user async for user in paginate_all(client.list_users, limit=60)]
    login = "ida.noe@example.com"
    profile = {"firstName": "Ida", "lastName": "Noe", "email": login, "login": login}
    credentials = {"password": {"value": "A long passw0rd"}}
    created, _, error = await client.create_user({"profile": profile, "credentials": credentials})
    raise_if(error)
    updated, _, error = await client.update_user(created.id, {"profile": {"nickName": "Idi"}})
    raise_if(error)
    # Not by the login: the SDK signs `%40` and sends `@`, which RFC 3986 section 2.2 tells apart.
    read, _, error = await client.get_user(created.id)
    raise_if(error)
    raise_if((await client.deactivate_user(created.id))[-1])
    raise_if((await client.delete_user(created.id))[-1])
    _, _, error = await client.get_user(created.id)
    return {
        "listed": len(listed),
        "created": created.status.value,
        "updated": updated.profile.nick_name,
        "read": read.profile.login == login,
        "gone": [404, "E0000007"] if "404 E0000007" in str(error) else str(error),
    }


def raise_if(error):
    if error is not None:
        raise SystemExit(f"the SDK says: {error}")


print(json.dumps(asyncio.run(repeated(task["calls"]) if task.get("calls") else whole_life())))
