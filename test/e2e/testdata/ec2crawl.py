"""Runs cloud-init's EC2 data source, unpatched, against the service that it finds.

Arguments: a scratch directory, then metadata versions. For each of these, the data source is told that it knows no other
version. Prints a JSON list of what it found and derived, and of its complaints.
"""

import json
import logging
import sys
from urllib.parse import quote

import requests
from cloudinit import distros, helpers
from cloudinit.sources.DataSourceEc2 import DataSourceEc2

complaints = []


class Complaints(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())


def get(ds, path):
    answer = requests.get(ds.metadata_address + path, headers=ds._get_headers())
    answer.raise_for_status()
    return answer.text


def dropped(ds, path, found):
    """What the listings show and the data source did not keep, without credentials, which it does not read."""
    lost = []
    for entry in get(ds, path).splitlines():
        if entry == "security-credentials/":
            continue
        name = entry.rstrip("/")
        if path.endswith("/public-keys/"):
            name = entry.split("=", 1)[1]
        if name not in found:
            lost.append(path + entry)
        elif entry.endswith("/"):
            lost += dropped(ds, path + quote(name) + "/", found[name])
    return lost


def crawl(version, scratch):
    class OfVersion(DataSourceEc2):
        extended_metadata_versions = [version]

    complaints.clear()
    paths = helpers.Paths({"cloud_dir": scratch, "run_dir": scratch})
    ds = OfVersion({}, distros.fetch("debian")("debian", {}, paths), paths)
    if not ds.get_data():
        return {"complaints": complaints + ["no data"]}
    found = {
        "platform": ds.cloud_name,
        "address": ds.metadata_address,
        "version": ds._crawled_metadata["_metadata_api_version"],
        "instance_id": ds.get_instance_id(),
        "hostname": ds.get_hostname(fqdn=True).hostname,
        "zone": ds.availability_zone,
        "region": ds.region,
        "launch_index": ds.launch_index,
        "public_keys": ds.get_public_ssh_keys(),
        "user_data": ds.get_userdata_raw().decode(),
        "user_data_parts": [part.get_content_type() for part in ds.get_userdata().walk() if not part.is_multipart()],
        "devices": ds.metadata.get("block-device-mapping"),
        "tags": ds.metadata.get("tags", {}).get("instance"),
        "identity": sorted(ds._crawled_metadata.get("dynamic", {}).get("instance-identity", {})),
        "network": {},
        "dropped": dropped(ds, "/%s/meta-data/" % version, ds.metadata),
    }
    if "network" in ds.metadata:  # without it, network_config complains
        for name, nic in ds.network_config["ethernets"].items():
            # Later versions add routes and more.
            found["network"][name] = {
                "mac": nic["match"]["macaddress"],
                "dhcp4": nic["dhcp4"],
                "dhcp6": nic["dhcp6"],
                "metric": nic.get("dhcp4-overrides", {}).get("route-metric"),
                "addresses": nic.get("addresses"),
            }
    found["complaints"] = complaints[:]
    return found


logging.getLogger().addHandler(Complaints(logging.WARNING))
print(json.dumps([crawl(version, sys.argv[1]) for version in sys.argv[2:]]))
