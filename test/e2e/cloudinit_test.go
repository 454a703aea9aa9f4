//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// crawled is what testdata/ec2crawl.py prints for one version.
type crawled struct {
	Platform, Address, Version string
	InstanceID                 string `json:"instance_id"`
	Hostname, Zone, Region     string
	LaunchIndex                string   `json:"launch_index"`
	PublicKeys                 []string `json:"public_keys"`
	UserData                   string   `json:"user_data"`
	UserDataParts              []string `json:"user_data_parts"`
	Devices, Tags              map[string]string
	Identity                   []string
	Network                    map[string]crawledNIC
	Dropped, Complaints        []string
}

type crawledNIC struct {
	MAC          string
	DHCP4, DHCP6 bool
	Metric       int
	Addresses    []string
}

// cloudInitVersions are the versions that cloud-init tries, in its order; the last one is its fallback.
var cloudInitVersions = []string{"2021-03-23", "2018-09-24", "2016-09-02", "2009-04-04"}

// TestCloudInit_CrawlsEveryVersion crawls all metadata by cloud-init's data source and derives the network configuration, under
// each version that it knows: on EC2, where it uses tokens, and on an unknown platform, where it does not.
func TestCloudInit_CrawlsEveryVersion(t *testing.T) {
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	for _, tt := range []struct{ platform, uuid, options string }{
		{"aws", "ec2e1916-9099-7caf-fd21-012345abcdef", requireTokens},
		{"unknown", "5e1c1916-9099-7caf-fd21-012345abcdef", ""},
	} {
		t.Run(tt.platform, func(t *testing.T) {
			site := newSite(t, serviceIPv4, serviceIPv6)
			site.nics(t)
			site.serve(t, mockHome(t, instance+tt.options), listenIPv4, listenIPv6)
			for i, got := range site.cloudInit(t, tt.uuid, cloudInitVersions...) {
				version := cloudInitVersions[i]
				want := crawled{
					Platform: tt.platform, Version: version,
					Address:    got.Address, // of the service: the one that answers first
					InstanceID: instanceID, Hostname: "ip-10-20-1-10." + region + ".compute.internal",
					Zone: zone, Region: region, LaunchIndex: "2",
					PublicKeys: []string{key0, key1},
					UserData:   userData, UserDataParts: []string{"text/cloud-config"},
					Devices: map[string]string{"ami": "/dev/xvda", "root": "/dev/xvda", "ebs1": "sdf", "ephemeral0": "sdb"},
					Network: map[string]crawledNIC{
						"eth0": {MAC: mac0, DHCP4: true, DHCP6: true, Metric: 100},
						"eth1": {MAC: mac1, DHCP4: true, DHCP6: true, Metric: 200, Addresses: []string{"10.20.2.11/24"}},
					},
					Identity: []string{}, Dropped: []string{}, Complaints: []string{},
				}
				if tt.platform == "aws" {
					want.Identity = []string{"document", "pkcs7", "rsa2048", "signature"}
				}
				switch version {
				case "2021-03-23":
					want.Tags = map[string]string{"Name": "web 1", "team:owner": "", "stage=x": "test, 100 %"}
				case "2009-04-04": // which has neither network/ nor rsa2048
					want.Network = map[string]crawledNIC{}
					want.Identity = slices.DeleteFunc(want.Identity, func(name string) bool { return name == "rsa2048" })
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("under %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
}

// TestCloudInit_WorksOverIPv6Alone serves at the service's IPv6 address only.
func TestCloudInit_WorksOverIPv6Alone(t *testing.T) {
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	site := newSite(t, serviceIPv6)
	site.nics(t)
	site.serve(t, mockHome(t, instance+requireTokens), listenIPv6)
	got := site.cloudInit(t, "ec2e1916-9099-7caf-fd21-012345abcdef", cloudInitVersions[0])[0]
	if got.Address != "http://["+serviceIPv6+"]" || got.InstanceID != instanceID || len(got.Network) != 2 || len(got.Dropped) > 0 {
		t.Errorf("got %+v", got)
	}
	for _, complaint := range got.Complaints {
		if !strings.Contains(complaint, serviceIPv4) { // it tries that first, and nothing answers
			t.Error(complaint)
		}
	}
}

// nics gives a site the instance's network interfaces.
func (n netns) nics(t *testing.T) {
	t.Helper()
	mustIP(t, "-n", string(n), "link", "add", "eth0", "address", mac0, "type", "veth", "peer", "name", "eth1", "address", mac1)
	for _, nic := range []string{"eth0", "eth1"} {
		mustIP(t, "-n", string(n), "link", "set", nic, "up")
	}
}

// cloudInit crawls under each version. cloud-init recognises EC2 by the hypervisor's UUID, which a /sys made for it holds: "ip
// netns exec" has a mount namespace of its own.
func (n netns) cloudInit(t *testing.T, uuid string, versions ...string) []crawled {
	t.Helper()
	findTool(t, "mount", "mount")
	program, err := filepath.Abs("testdata/ec2crawl.py")
	if err != nil {
		t.Fatal(err)
	}
	const withUUID = `set -e
mount -t tmpfs none "$1"
mkdir "$1/class" "$1/devices" "$1/hypervisor"
mount --bind /sys/class "$1/class"
mount --bind /sys/devices "$1/devices"
echo "$2" >"$1/hypervisor/uuid"
mount --rbind "$1" /sys
shift 2
exec "$@"`
	args := append([]string{"sh", "-c", withUUID, "sh", t.TempDir(), uuid, python, program, t.TempDir()}, versions...)
	var all []crawled
	if err := json.Unmarshal([]byte(n.output(t, nil, args...)), &all); err != nil || len(all) != len(versions) {
		t.Fatalf("%v; got %d of %d versions", err, len(all), len(versions))
	}
	return all
}
